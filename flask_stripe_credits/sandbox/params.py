"""Tables of parameters: what each may hold, and Stripe's words when it doesn't."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from ..money import is_currency
from .errors import ApiError, invalid, missing, unknown
from .forms import Tree

_EMAIL = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\".]+(\.[^@\s<>,;:\".]+)+\Z")
_MOST_METADATA_KEYS = 50


class Spec(Protocol):
    """How one parameter is read."""

    def read(self, raw: str | Tree, path: str) -> Any:
        """Return the value.

        :raises ApiError: naming ``path`` when the value isn't allowed.
        """


def is_email(text: str) -> bool:
    """Whether ``text`` looks like an e-mail address to Stripe."""
    return len(text) <= 800 and _EMAIL.match(text) is not None


def is_web_address(text: str) -> bool:
    """Whether ``text`` is an absolute http or https URL that is safe to link to."""
    if len(text) > 5000 or any(character.isspace() or ord(character) < 32 for character in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Text:
    """A string.

    :ivar unset: whether an empty value is allowed and means null.
    """

    longest: int = 5000
    unset: bool = False
    pattern: str | None = None

    def read(self, raw: str | Tree, path: str) -> str | None:
        if isinstance(raw, dict):
            raise invalid(f"Invalid string: {path} must be a string", param=path)
        if not raw:
            if not self.unset:
                raise _empty(path)
            return None
        if len(raw) > self.longest:
            raise invalid(
                f"Invalid string: {raw[:20]}...; must be at most {self.longest} characters",
                param=path,
                code="parameter_invalid_string_length",
            )
        if self.pattern is not None and not re.fullmatch(self.pattern, raw):
            raise invalid(f"Invalid {path}: {raw[:100]}", param=path)
        return raw


def _empty(path: str) -> ApiError:
    return invalid(
        f"You passed an empty string for '{path}'. We assume empty values are an attempt to "
        f"unset a parameter; however '{path}' cannot be unset. You should remove '{path}' "
        "from your request or supply a non-empty value.",
        param=path,
        code="parameter_invalid_empty",
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words; ``later`` are Stripe's too, but not yet the sandbox's."""

    words: tuple[str, ...]
    later: tuple[str, ...] = ()

    def read(self, raw: str | Tree, path: str) -> str:
        if isinstance(raw, str) and raw in self.words:
            return raw
        if isinstance(raw, str) and raw in self.later:
            raise _unsupported(f"{path}={raw}", path)
        *most, last = self.words + self.later
        allowed = f"{', '.join(most)} or {last}" if most else last
        raise invalid(f"Invalid {path}: must be one of {allowed}", param=path)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    least: int = 0
    most: int = 99_999_999

    def read(self, raw: str | Tree, path: str) -> int:
        if isinstance(raw, dict) or not re.fullmatch(r"-?\d{1,15}", raw, re.ASCII):
            raise invalid(
                f"Invalid integer: {raw if isinstance(raw, str) else path}",
                param=path,
                code="parameter_invalid_integer",
            )
        number = int(raw)
        if number < self.least:
            problem = f"This value must be greater than or equal to {self.least}."
        elif number > self.most:
            problem = f"This value must be less than or equal to {self.most}."
        else:
            return number
        raise invalid(problem, param=path, code="parameter_invalid_integer")


@dataclass(frozen=True, slots=True)
class Flag:
    """``true`` or ``false``."""

    def read(self, raw: str | Tree, path: str) -> bool:
        if raw in ("true", "false"):
            return raw == "true"
        raise invalid(f"Invalid boolean: {raw if isinstance(raw, str) else path}", param=path)


@dataclass(frozen=True, slots=True)
class Currency:
    """Three letters, in lower case from here on."""

    def read(self, raw: str | Tree, path: str) -> str:
        code = raw.lower() if isinstance(raw, str) else ""
        if not is_currency(code):
            raise invalid(
                f"Invalid currency: {raw if isinstance(raw, str) else path}. A currency is three "
                "letters such as usd; see https://docs.stripe.com/currencies",
                param=path,
            )
        return code


@dataclass(frozen=True, slots=True)
class Email:
    def read(self, raw: str | Tree, path: str) -> str:
        if isinstance(raw, str) and is_email(raw):
            return raw
        shown = raw[:100] if isinstance(raw, str) else path
        raise invalid(f"Invalid email address: {shown}", param=path, code="email_invalid")


@dataclass(frozen=True, slots=True)
class WebAddress:
    def read(self, raw: str | Tree, path: str) -> str:
        if isinstance(raw, str) and is_web_address(raw):
            return raw
        raise invalid(
            "Not a valid URL. An absolute address starting with https:// or http:// is needed.",
            param=path,
            code="url_invalid",
        )


@dataclass(frozen=True, slots=True)
class Metadata:
    """Up to fifty pairs of strings.

    :ivar update: whether empty values are kept, for the update that takes their keys away.
    """

    update: bool = False

    def read(self, raw: str | Tree, path: str) -> dict[str, str]:
        if raw == "":
            return {}
        if isinstance(raw, str):
            raise invalid(f"Invalid {path}: must be an object", param=path)
        if len(raw) > _MOST_METADATA_KEYS:
            raise invalid(
                f"Metadata can only have {_MOST_METADATA_KEYS} keys, but you passed {len(raw)}.",
                param=path,
            )
        pairs = {key: self._value(key, value, path) for key, value in raw.items()}
        return {key: value for key, value in pairs.items() if value or self.update}

    def _value(self, key: str, value: str | Tree, path: str) -> str:
        if isinstance(value, dict):
            raise invalid("Metadata values must be strings", param=f"{path}[{key}]")
        if len(key) > 40 or len(value) > 500:
            which = "keys up to 40" if len(key) > 40 else "values up to 500"
            raise invalid(f"Metadata can only have {which} characters.", param=path)
        return value


@dataclass(frozen=True, slots=True)
class Items:
    """A list, of ``item``."""

    item: Spec
    most: int = 100

    def read(self, raw: str | Tree, path: str) -> list[Any]:
        if raw == "":
            return []
        if isinstance(raw, str) or not all(key.isdecimal() for key in raw):
            raise invalid("Invalid array", param=path)
        if len(raw) > self.most:
            raise invalid(
                f"Array {path} exceeded maximum {self.most} allowed elements.", param=path
            )
        ordered = sorted(raw.items(), key=lambda pair: int(pair[0]))
        return [self.item.read(value, f"{path}[{key}]") for key, value in ordered]


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with known fields; at the top, all parameters of a request."""

    known: Mapping[str, Spec]
    required: tuple[str, ...] = ()
    unset: bool = False

    def read(self, raw: str | Tree, path: str = "") -> dict[str, Any]:
        if raw == "" and self.unset:
            return {}
        if isinstance(raw, str):
            raise invalid("Invalid object", param=path)
        inner = {key: f"{path}[{key}]" if path else key for key in (*raw, *self.required)}
        if strangers := [inner[key] for key in raw if key not in self.known]:
            raise unknown(strangers)
        for key in self.required:
            if key not in raw:
                raise missing(inner[key])
        return {key: self.known[key].read(value, inner[key]) for key, value in raw.items()}


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Stripe takes this, the sandbox doesn't: better to say so than to pretend."""

    def read(self, raw: str | Tree, path: str) -> Any:
        raise _unsupported(path, path)


def later(names: str) -> dict[str, Spec]:
    """Return a table of parameters that Stripe takes and the sandbox doesn't."""
    return dict.fromkeys(names.split(), Unsupported())


def _unsupported(what: str, path: str) -> ApiError:
    return invalid(f"The sandbox doesn't imitate '{what}', though Stripe has it.", param=path)


@dataclass(frozen=True, slots=True)
class Range:
    """A timestamp, or bounds for one: ``created[gte]=…``."""

    number: Whole = field(default_factory=lambda: Whole(most=10**12))

    def read(self, raw: str | Tree, path: str) -> dict[str, int]:
        if isinstance(raw, str):
            return {"=": self.number.read(raw, path)}
        signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
        bounds = Fields(dict.fromkeys(signs, self.number)).read(raw, path)
        return {signs[key]: value for key, value in bounds.items()}


EXPAND: Mapping[str, Spec] = {"expand": Items(Text(200), most=20)}


def form(known: Mapping[str, Spec] | None = None, *required: str) -> Fields:
    """Return the table of a request's parameters; every request may carry ``expand``."""
    return Fields({**(known or {}), **EXPAND}, required)
