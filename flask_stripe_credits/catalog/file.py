"""The catalogue as a TOML file: one ``[[packages]]`` table each, in the order of display."""

from __future__ import annotations

import json
import re
import reprlib
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ..errors import InvalidCatalog
from ..money import LARGEST_INTEGER, is_currency, smallest_step

PACKAGE_CODE = re.compile(r"[a-z0-9_-]{1,50}\Z")
# Stripe's own limit for the name of a product.
LONGEST_NAME = 250
LONGEST_DESCRIPTION = 5_000

_MAY_BREAK_LINES = "\n\t"


@dataclass(frozen=True, slots=True)
class PackageSpec:
    """A package as a file describes it.

    :ivar unit_amount: the final price, minor units of ``currency``.
    :ivar discount_percentage: for display only.
    :ivar is_active: None leaves it as it is; a new package is active.
    """

    package_code: str
    package_name: str
    credits: int
    unit_amount: int
    currency: str
    description: str | None = None
    discount_percentage: int = 0
    is_active: bool | None = None


@dataclass(frozen=True, slots=True)
class _Field:
    fits: Callable[[Any], bool]
    right: str
    required: bool = True


def is_package_code(value: object) -> bool:
    """Whether ``value`` could be a package's code."""
    return isinstance(value, str) and PACKAGE_CODE.match(value) is not None


def _is_whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _is_text(longest: int, allowed: str = "") -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        return (
            isinstance(value, str)
            and len(value) <= longest
            and not any(
                unicodedata.category(character) in ("Cc", "Cs")
                for character in value
                if character not in allowed
            )
        )

    return fits


def _is_name(value: Any) -> bool:
    return _is_text(LONGEST_NAME)(value) and bool(value.strip())


_FIELDS = {
    "package_code": _Field(is_package_code, "1 to 50 of a-z, 0-9, - and _"),
    "package_name": _Field(
        _is_name, f"text of 1 to {LONGEST_NAME} characters without control characters"
    ),
    "description": _Field(
        _is_text(LONGEST_DESCRIPTION, _MAY_BREAK_LINES),
        f"text of at most {LONGEST_DESCRIPTION:,} characters without control characters",
        required=False,
    ),
    "credits": _Field(
        _is_whole(1, LARGEST_INTEGER), f"a whole number from 1 to {LARGEST_INTEGER:,}"
    ),
    "unit_amount": _Field(
        _is_whole(0, LARGEST_INTEGER),
        f"a whole number of minor units from 0 to {LARGEST_INTEGER:,} (1000 is $10.00)",
    ),
    "currency": _Field(is_currency, "three lower-case letters, like usd"),
    "discount_percentage": _Field(
        _is_whole(0, 100), "a whole number from 0 to 100", required=False
    ),
    "is_active": _Field(lambda value: isinstance(value, bool), "true or false", required=False),
}


def default_catalog() -> bytes:
    """The catalogue that ships with this package, as TOML."""
    return (files("flask_stripe_credits") / "packages.toml").read_bytes()


def parse_packages(content: bytes) -> list[PackageSpec]:
    """Read a catalogue.

    :raises InvalidCatalog: when anything in it is wrong; says all that is.
    """
    tables = _tables(content)
    problems: list[str] = []
    specs: list[PackageSpec] = []
    seen: dict[str, int] = {}
    for number, table in enumerate(tables, start=1):
        wrong = list(_problems(table))
        code = table.get("package_code") if isinstance(table, dict) else None
        name = f"package {number}" + (f" ({code})" if is_package_code(code) else "")
        if isinstance(code, str) and seen.setdefault(code, number) != number:
            wrong.append(f"package_code is already that of package {seen[code]}")
        problems += [f"{name}: {problem}" for problem in wrong]
        if not wrong:
            specs.append(PackageSpec(**{**table, "description": table.get("description") or None}))
    if problems:
        raise InvalidCatalog(problems)
    return specs


def _tables(content: bytes) -> list[Any]:
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidCatalog(["the file isn't UTF-8 text"]) from None
    except (ValueError, RecursionError) as error:
        raise InvalidCatalog([f"the file isn't valid TOML: {error}"]) from None
    unknown = sorted(document.keys() - {"packages"})
    if unknown:
        shown = ", ".join(map(reprlib.repr, unknown))
        raise InvalidCatalog([f"the file may hold nothing but [[packages]]; it also holds {shown}"])
    tables = document.get("packages")
    if not isinstance(tables, list) or not tables:
        raise InvalidCatalog(["the file holds no [[packages]]"])
    return tables


def _problems(table: Any) -> Iterable[str]:
    if not isinstance(table, dict):
        yield "must be a table of its own, headed [[packages]]"
        return
    for name in table.keys() - _FIELDS.keys():
        yield f"{reprlib.repr(name)} is no field of a package; these are: {', '.join(_FIELDS)}"
    for name, field in _FIELDS.items():
        if name not in table:
            if field.required:
                yield f"{name} is missing; it must be {field.right}"
        elif not field.fits(table[name]):
            yield f"{name} must be {field.right}, not {_shown(table[name])}"
    yield from _step_problem(table)


def _step_problem(table: Mapping[str, Any]) -> Iterable[str]:
    amount, currency = table.get("unit_amount"), table.get("currency")
    if type(amount) is not int or not is_currency(currency):
        return
    step = smallest_step(str(currency))
    if amount % step:
        yield f"unit_amount must be a multiple of {step} in {currency}, not {amount}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "a larger one" if value > 0 else "a negative one"
    if isinstance(value, str) and len(value) > 60:
        return f"{len(value):,} characters"
    return ascii(value) if isinstance(value, (str, int, float)) else type(value).__name__


def format_packages(specs: Iterable[PackageSpec]) -> str:
    """Write a catalogue as TOML that :func:`parse_packages` reads back to the same."""
    return "\n".join(_format(spec) for spec in specs)


def _format(spec: PackageSpec) -> str:
    values = {name: getattr(spec, name) for name in _FIELDS}
    lines = [f"{name} = {_toml(value)}\n" for name, value in values.items() if value is not None]
    return "[[packages]]\n" + "".join(lines)


def _toml(value: str | int | bool) -> str:
    # JSON's escapes are all TOML's too; TOML also wants DEL escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
