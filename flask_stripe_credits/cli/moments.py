"""Times as operators write them: how long ago, a day, or a moment."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Moment = click.ParamType[dt.datetime]
else:  # Not generic before click 8.4.
    _Moment = click.ParamType


class Since(_Moment):
    """``35d``, ``12h``, a date or an ISO time; UTC unless it names another zone.

    :param future: whether it may be later than now.
    """

    name = "since"

    def __init__(self, *, future: bool = False) -> None:
        self.future = future

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        """Return the moment that is meant, aware."""
        if isinstance(value, dt.datetime):
            return value
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        moment = moment_of(value, now)
        if moment is None:
            self.fail(f"{value!r} is none of 35d, 12h, 2026-10-31 or 2026-10-31T08:00Z", param, ctx)
        if moment > now and not self.future:
            self.fail(f"{value} is in the future", param, ctx)
        return moment.replace(microsecond=0)


def moment_of(text: str, now: dt.datetime) -> dt.datetime | None:
    """Return the moment that ``--since`` means, None when it can't be understood."""
    ago = re.fullmatch(r"(\d{1,4})([dh])", text, re.ASCII)
    try:
        if ago is not None:
            number = int(ago[1])
            return now - (
                dt.timedelta(days=number) if ago[2] == "d" else dt.timedelta(hours=number)
            )
        moment = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
