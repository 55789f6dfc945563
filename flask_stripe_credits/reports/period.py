"""Stretches of time, and the buckets that a chart has for them. Everything is UTC."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from ..errors import InvalidFilter
from ..purchase_search import check_period

_MOST_BUCKETS = 1_500
_DAYS_SHOWN_BY_DAY = 92
_DAYS_SHOWN_BY_WEEK = 400


class Bucket(StrEnum):
    """How long one step of a series is. Weeks begin on Monday; all begin at midnight, UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def start_of(self, moment: dt.datetime) -> dt.datetime:
        """Return when the bucket that ``moment`` is in began."""
        midnight = moment.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Bucket.WEEK:
            return midnight - dt.timedelta(days=midnight.weekday())
        return midnight.replace(day=1) if self is Bucket.MONTH else midnight

    def after(self, start: dt.datetime) -> dt.datetime:
        """Return when the bucket ends that begins at ``start``."""
        if self is Bucket.MONTH:
            return self.start_of(start + dt.timedelta(days=31))
        return start + dt.timedelta(days=7 if self is Bucket.WEEK else 1)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` until just before ``until``; None: from the beginning, or until now.

    :raises InvalidFilter: a moment has no time zone, or ``until`` isn't later than ``since``.
    """

    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def __post_init__(self) -> None:
        check_period(self.since, self.until)


@dataclass(frozen=True, slots=True)
class Steps:
    """A stretch of time cut into buckets, the first and the last of which may be cut short.

    :ivar edges: where each step begins, and at the end where the last one ends; a single one if
        the stretch is empty.
    """

    bucket: Bucket
    edges: tuple[dt.datetime, ...]

    @property
    def since(self) -> dt.datetime:
        return self.edges[0]

    @property
    def until(self) -> dt.datetime:
        return self.edges[-1]

    @property
    def starts(self) -> tuple[dt.datetime, ...]:
        """When each step's bucket began, also where it is cut short."""
        return tuple(self.bucket.start_of(edge) for edge in self.edges[:-1])


def cut(since: dt.datetime, until: dt.datetime, bucket: Bucket | None) -> Steps:
    """Cut what is between two moments into buckets; nothing, if ``until`` isn't the later one.

    :param bucket: None: days up to three months, weeks up to a year, else months.
    :raises InvalidFilter: there would be more than 1,500.
    """
    since, until = since.astimezone(dt.UTC), until.astimezone(dt.UTC)
    if bucket is None:
        days = (until - since).days
        longer = Bucket.WEEK if days <= _DAYS_SHOWN_BY_WEEK else Bucket.MONTH
        bucket = Bucket.DAY if days <= _DAYS_SHOWN_BY_DAY else longer
    if since >= until:
        return Steps(bucket, (until,))
    edges = [since]
    while (edge := bucket.after(bucket.start_of(edges[-1]))) < until:
        edges.append(edge)
        if len(edges) > _MOST_BUCKETS:
            raise InvalidFilter("bucket", f"is too short for this period: {bucket}s are too many")
    return Steps(bucket, (*edges, until))
