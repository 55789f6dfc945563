"""When people buy: more from month to month, by weekday and by hour, with a few busy days."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator

DAYS = 365

_GROWTH = 2.4
_WEEKDAYS = (1.10, 1.15, 1.12, 1.08, 1.0, 0.72, 0.68)
_HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 12, 13, 13, 12, 11, 10, 9, 9, 8, 7, 5, 3)
_CAMPAIGN = 0.015
_CAMPAIGN_FACTOR = 1.8


def moments(count: int, until: dt.datetime, random: random.Random) -> Iterator[dt.datetime]:
    """Yield ``count`` times of the year before ``until``, in order."""
    start = until - dt.timedelta(days=DAYS)
    weights = [_weight(start + dt.timedelta(days=day), day, random) for day in range(DAYS)]
    total, before = sum(weights), 0
    for day, so_far in enumerate(itertools.accumulate(weights)):
        after = count if day == DAYS - 1 else round(count * so_far / total)
        yield from _of_day(after - before, start + dt.timedelta(days=day), random)
        before = after


def _weight(day: dt.datetime, number: int, random: random.Random) -> float:
    growth = 1 + (_GROWTH - 1) * number / DAYS
    busy = _CAMPAIGN_FACTOR if random.random() < _CAMPAIGN else 1.0
    return growth * busy * _WEEKDAYS[day.weekday()] * random.uniform(0.85, 1.15)


def _of_day(count: int, start: dt.datetime, random: random.Random) -> Iterator[dt.datetime]:
    """The day's times; a day begins at the hour of ``start``."""
    shifted = [_HOURS[(start.hour + hour) % 24] for hour in range(24)]
    hours = random.choices(range(24), shifted, k=count)
    for seconds in sorted(3600 * hour + random.uniform(0, 3600) for hour in hours):
        yield start + dt.timedelta(seconds=seconds)
