"""Days as readers write them. Figures are of days in UTC, whatever the reader's time zone is."""

from __future__ import annotations

import datetime as dt

from ..texts import has_babel, text


def day(value: dt.date) -> str:
    """A day: ``3 Mar 2026``."""
    if has_babel():
        import flask_babel

        return str(flask_babel.format_date(value, "medium", rebase=False))
    return f"{value:%-d %b %Y}"


def short_day(value: dt.date) -> str:
    """A day where the year is known: ``3 Mar``."""
    if has_babel():
        from babel.dates import format_skeleton

        from ..texts import locale

        return str(format_skeleton("MMMd", value, locale=locale()))
    return f"{value:%-d %b}"


def month(value: dt.date) -> str:
    """A month: ``Mar 2026``."""
    if has_babel():
        from babel.dates import format_skeleton

        from ..texts import locale

        return str(format_skeleton("yMMM", value, locale=locale()))
    return f"{value:%b %Y}"


def span(first: dt.date, last: dt.date) -> str:
    """From one day to another, both included."""
    if first == last:
        return day(first)
    return text("%(first)s \N{EN DASH} %(last)s", first=day(first), last=day(last))
