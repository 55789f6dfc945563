"""Amounts, numbers and times as the reader writes them: by Babel where the host has it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, cast

from ...money import WHOLE_UNITS_IN_TWO_DECIMALS, Money, exponent
from .texts import has_babel, locale

MINUS = "\N{MINUS SIGN}"


def money(amount: int, currency: str) -> str:
    """An amount in minor units: ``$10.00``, ``¥500``; with Babel in German ``10,00 €``."""
    exact = Money(amount, currency)
    if not has_babel():
        return str(exact).replace("-", MINUS)
    from babel import numbers

    # Babel's own decimals are ISO 4217's, ours are those that Stripe charges.
    whole = currency in WHOLE_UNITS_IN_TWO_DECIMALS and exact.fits
    return str(
        numbers.format_currency(
            exact.major.quantize(Decimal(1).scaleb(-(0 if whole else exponent(currency)))),
            currency.upper(),
            locale=locale(),
            currency_digits=False,
            decimal_quantization=False,
            format=_pattern(0 if whole else exponent(currency)),
        )
    )


def _pattern(digits: int) -> Any:
    """The locale's way to write money, with as many decimals as we say."""
    from babel import Locale
    from babel.numbers import parse_pattern

    pattern = parse_pattern(Locale.parse(locale()).currency_formats["standard"].pattern)
    pattern.frac_prec = (digits, digits)
    return pattern


def number(value: int, *, signed: bool = False) -> str:
    """A whole number: ``12,345``, and ``+12,345`` if it is to be ``signed``."""
    if has_babel():
        from babel import numbers

        written = numbers.format_decimal(abs(value), locale=locale())
    else:
        written = f"{abs(value):,}"
    return (MINUS if value < 0 else "+" if signed and value > 0 else "") + written


def moment(value: dt.datetime) -> str:
    """A date and time, with its time zone: UTC, or the reader's by Flask-Babel."""
    if has_babel():
        import flask_babel

        zone = flask_babel.get_timezone()
        zoned = value.astimezone(zone) if zone is not None else value
        written = flask_babel.format_datetime(value, "medium")
        return f"{written} {zoned.tzname() or 'UTC'}"
    return f"{value.astimezone(dt.UTC):%-d %b %Y, %H:%M} UTC"


def day(value: dt.datetime) -> str:
    """A date, in the time zone of :func:`moment`."""
    if has_babel():
        import flask_babel

        return str(flask_babel.format_date(value, "medium"))
    return f"{value.astimezone(dt.UTC):%-d %b %Y}"


def day_begins(date: dt.date) -> dt.datetime:
    """When a day begins, in the time zone of :func:`moment`."""
    zone: Any = dt.UTC
    if has_babel():
        import flask_babel

        zone = flask_babel.get_timezone() or dt.UTC
    midnight = dt.datetime.combine(date, dt.time())
    # pytz has a way of its own.
    if hasattr(zone, "localize"):
        return cast(dt.datetime, zone.localize(midnight))
    return midnight.replace(tzinfo=zone)


def machine_time(value: dt.datetime) -> str:
    """For ``<time datetime>``."""
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
