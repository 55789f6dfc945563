"""What is right in a package, field by field: one place for files, commands and routes."""

from __future__ import annotations

import re
import reprlib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidPackage
from ..integers import LARGEST_INTEGER
from ..money import is_currency, smallest_step
from ..tables import LONGEST_USER_ID

PACKAGE_CODE = re.compile(r"[a-z0-9_-]{1,50}\Z")
# Stripe's own limit for the name of a product.
LONGEST_NAME = 250
LONGEST_DESCRIPTION = 5_000
LARGEST_DISPLAY_ORDER = 1_000_000

_MAY_BREAK_LINES = "\n\t"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a package.

    :ivar fits: whether a value is right.
    :ivar right: what is right, to go after "must be".
    """

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


FIELDS = {
    "package_code": Field(is_package_code, "1 to 50 of a-z, 0-9, - and _"),
    "package_name": Field(
        _is_name, f"text of 1 to {LONGEST_NAME} characters without control characters"
    ),
    "description": Field(
        _is_text(LONGEST_DESCRIPTION, _MAY_BREAK_LINES),
        f"text of at most {LONGEST_DESCRIPTION:,} characters without control characters",
        required=False,
    ),
    "credits": Field(
        _is_whole(1, LARGEST_INTEGER), f"a whole number from 1 to {LARGEST_INTEGER:,}"
    ),
    "unit_amount": Field(
        _is_whole(0, LARGEST_INTEGER),
        f"a whole number of minor units from 0 to {LARGEST_INTEGER:,} (1000 is $10.00)",
    ),
    "currency": Field(is_currency, "three lower-case letters, like usd"),
    "discount_percentage": Field(_is_whole(0, 100), "a whole number from 0 to 100", required=False),
    "is_active": Field(lambda value: isinstance(value, bool), "true or false", required=False),
    "display_order": Field(
        _is_whole(0, LARGEST_DISPLAY_ORDER),
        f"a whole number from 0 to {LARGEST_DISPLAY_ORDER:,}",
        required=False,
    ),
}


def missing_fields(values: Mapping[str, Any], names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each required field of ``names`` that isn't there, with what to tell of it."""
    for name in names:
        if name not in values and FIELDS[name].required:
            yield name, f"{name} is missing; it must be {FIELDS[name].right}"


def wrong_fields(values: Mapping[str, Any], names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each field that isn't one of ``names`` or isn't right, with what to tell of it."""
    known = ", ".join(names)
    for name in (name for name in values if name not in names):
        yield name, f"{reprlib.repr(name)} is no field of a package; these are: {known}"
    for name in names:
        if name in values and not FIELDS[name].fits(values[name]):
            yield name, f"{name} must be {FIELDS[name].right}, not {_shown(values[name])}"


def wrong_step(unit_amount: object, currency: object) -> Iterator[tuple[str, str]]:
    """Yield what to tell of an amount that Stripe can't charge in this currency."""
    if type(unit_amount) is not int or not is_currency(currency):
        return
    step = smallest_step(str(currency))
    if unit_amount % step:
        yield (
            "unit_amount",
            f"unit_amount must be a multiple of {step} in {currency}, not {unit_amount}",
        )


def check_actor(actor: str) -> None:
    """See that the audit log can hold who acts.

    :raises InvalidPackage: it can't.
    """
    if not 1 <= len(actor) <= LONGEST_USER_ID:
        raise InvalidPackage({"actor": f"say who does it, in 1 to {LONGEST_USER_ID} characters"})


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "a larger one" if value > 0 else "a negative one"
    if isinstance(value, str) and len(value) > 60:
        return f"{len(value):,} characters"
    return ascii(value) if isinstance(value, (str, int, float)) else type(value).__name__
