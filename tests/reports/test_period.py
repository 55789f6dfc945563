"""Periods and the steps that they are cut into."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_stripe_credits.errors import InvalidFilter
from flask_stripe_credits.reports import Bucket, Period
from flask_stripe_credits.reports.period import cut


def day(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("bucket", "since", "until", "starts"),
    [
        (Bucket.DAY, "2026-02-27", "2026-03-02", ["2026-02-27", "2026-02-28", "2026-03-01"]),
        (Bucket.DAY, "2026-02-27T05:00", "2026-02-28T05:00", ["2026-02-27", "2026-02-28"]),
        # 2026-03-02 is a Monday.
        (Bucket.WEEK, "2026-03-01", "2026-03-10", ["2026-02-23", "2026-03-02", "2026-03-09"]),
        (Bucket.MONTH, "2025-12-31", "2026-02-01", ["2025-12-01", "2026-01-01"]),
        (Bucket.MONTH, "2024-01-31", "2024-03-01", ["2024-01-01", "2024-02-01"]),
        (Bucket.DAY, "2026-03-02", "2026-03-02", []),
        (Bucket.DAY, "2026-03-03", "2026-03-02", []),
    ],
)
def test_a_period_is_cut_at_midnight_on_mondays_and_on_the_first(
    bucket: Bucket, since: str, until: str, starts: list[str]
) -> None:
    steps = cut(day(since), day(until), bucket)
    assert steps.starts == tuple(map(day, starts))


@given(
    st.integers(0, 10 * 366 * 86_400),
    st.timedeltas(dt.timedelta(seconds=1), dt.timedelta(days=1_400)),
    st.sampled_from(Bucket),
    st.integers(-12, 14),
)
def test_steps_leave_no_gap_and_no_overlap(
    seconds: int, length: dt.timedelta, bucket: Bucket, hours: int
) -> None:
    since = day("2020-01-01") + dt.timedelta(seconds=seconds)
    since = since.astimezone(dt.timezone(dt.timedelta(hours=hours)))
    steps = cut(since, since + length, bucket)
    assert (steps.since, steps.until) == (since, since + length)
    assert len(steps.starts) == len(steps.edges) - 1
    for start, (edge, end) in zip(steps.starts, pairwise(steps.edges), strict=True):
        assert start <= edge < end <= bucket.after(start)
        assert edge in (start, since)
        assert end in (bucket.after(start), since + length)
        assert (start.hour, start.minute, start.second, start.microsecond) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(1, "day"), (92, "day"), (93, "week"), (400, "week"), (401, "month"), (3_000, "month")],
)
def test_steps_suit_the_period(days: int, bucket: str) -> None:
    since = day("2020-01-01")
    assert cut(since, since + dt.timedelta(days=days), None).bucket == bucket


def test_too_many_steps_are_refused_at_once() -> None:
    with pytest.raises(InvalidFilter, match="bucket is too short for this period: days are too"):
        cut(day("0001-01-01"), day("9999-12-31"), Bucket.DAY)


def test_a_period_has_a_zone_and_an_order() -> None:
    with pytest.raises(InvalidFilter, match="since has no time zone"):
        Period(dt.datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidFilter, match="until isn't later than since"):
        Period(day("2026-01-01"), day("2026-01-01"))
