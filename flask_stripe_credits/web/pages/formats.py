"""Amounts, numbers and times as the reader writes them: by Babel where the host has it."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

from ...money import WHOLE_UNITS_IN_TWO_DECIMALS, Money, exponent
from .texts import has_babel, locale

MINUS = "\N{MINUS SIGN}"


def money(amount: int, currency: str) -> str:
    """An amount in minor units: ``$10.00``, ``¥500``; with Babel in German ``10,00 €``."""
    exact = Money(amount, currency)
    if not has_babel():
        return str(exact).replace("-", MINUS)
    from babel.numbers import get_currency_symbol, parse_pattern

    # Babel knows ISO 4217's decimals; what counts are those that Stripe charges.
    whole = currency in WHOLE_UNITS_IN_TWO_DECIMALS and exact.fits
    digits = 0 if whole else exponent(currency)
    here, code = locale(), currency.upper()
    written = here.currency_formats["standard"].pattern
    if get_currency_symbol(code, here)[-1:].isalpha():
        # CLDR's rule for letters beside digits, which Babel leaves out.
        written = written.replace("\xa4#", "\xa4\xa0#")
    pattern = parse_pattern(written)
    pattern.frac_prec = (digits, digits)
    return str(pattern.apply(exact.major, here, currency=code, currency_digits=False))


def number(value: int, *, signed: bool = False) -> str:
    """A whole number: ``12,345``, and ``+12,345`` if it is to be ``signed``."""
    if has_babel():
        from babel.numbers import format_decimal

        written = format_decimal(abs(value), locale=locale())
    else:
        written = f"{abs(value):,}"
    return (MINUS if value < 0 else "+" if signed and value > 0 else "") + written


def moment(value: dt.datetime) -> str:
    """A date and time and their time zone: UTC, or the reader's by Flask-Babel."""
    if not has_babel():
        value = value.astimezone(dt.UTC)
        return f"{value.day} {value:%b %Y, %H:%M} UTC"
    from babel.dates import format_date, format_datetime, format_time

    here, zoned = locale(), value.astimezone(_zone())
    date, time = format_date(zoned, "medium", here), format_time(zoned, "short", locale=here)
    written = str(here.datetime_formats["medium"]).format(time, date)
    return f"{written} {format_datetime(zoned, 'z', locale=here)}"


def day(value: dt.datetime) -> str:
    """A date, in the time zone of :func:`moment`."""
    if not has_babel():
        value = value.astimezone(dt.UTC)
        return f"{value.day} {value:%b %Y}"
    from babel.dates import format_date

    return format_date(value.astimezone(_zone()), "medium", locale=locale())


def day_begins(date: dt.date) -> dt.datetime:
    """When a day begins, in the time zone of :func:`moment`."""
    midnight, zone = dt.datetime.combine(date, dt.time()), _zone()
    # pytz, which Flask-Babel uses, has a way of its own.
    if hasattr(zone, "localize"):
        return cast(dt.datetime, zone.localize(midnight))
    return midnight.replace(tzinfo=zone)


def machine_time(value: dt.datetime) -> str:
    """For ``<time datetime>``."""
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _zone() -> Any:
    if not has_babel():
        return dt.UTC
    from flask_babel import get_timezone

    return get_timezone() or dt.UTC
