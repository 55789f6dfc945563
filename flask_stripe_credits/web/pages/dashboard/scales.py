"""Numbers short enough for the edge of a chart: ``$12k``, ``1.5M``."""

from __future__ import annotations

from decimal import Decimal

from ....money import Money
from ..formats import MINUS
from ..texts import has_babel, locale

_STEPS = ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(10**3), "k"))


def compact_number(value: int) -> str:
    """A whole number: ``950``, ``1.2k``, ``3M``."""
    if has_babel():
        from babel.numbers import format_compact_decimal

        return str(format_compact_decimal(value, locale=locale(), fraction_digits=1))
    return _compact(Decimal(value), "")


def compact_money(amount: int, currency: str) -> str:
    """An amount in minor units: ``$950``, ``$1.2k``, ``¥3M``."""
    if has_babel():
        from babel.numbers import format_compact_currency

        major = Money(amount, currency).major
        return str(
            format_compact_currency(major, currency.upper(), locale=locale(), fraction_digits=1)
        )
    symbol = str(Money(0, currency)).rstrip("0.")
    return _compact(Money(amount, currency).major, symbol)


def _compact(value: Decimal, symbol: str) -> str:
    sign, value = (MINUS, -value) if value < 0 else ("", value)
    for size, letter in _STEPS:
        if value >= size:
            return f"{sign}{symbol}{_short(value / size)}{letter}"
    return f"{sign}{symbol}{_short(value)}"


def _short(value: Decimal) -> str:
    """At most two decimals, and none that are zero."""
    return f"{value.quantize(Decimal('0.01')):f}".rstrip("0").rstrip(".")
