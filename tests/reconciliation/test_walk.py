from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flask_stripe_credits.reconciliation.walk import CLOCKS_DIFFER_BY, Walk

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
hours = st.integers(0, 200).map(lambda number: dt.timedelta(minutes=10 * number))


@st.composite
def purchases(draw: st.DrawFn) -> tuple[dict[str, Any], dt.datetime | None]:
    """A purchase, and when its session was created: before long, much later, or never."""
    created_at = NOON - draw(hours)
    row = {"id": uuid.uuid4(), "created_at": created_at}
    skew = dt.timedelta(minutes=draw(st.integers(-50, 600)))
    return row, draw(st.sampled_from([created_at + skew, None]))


@given(st.lists(purchases(), max_size=30), st.integers(1, 5))
def test_exactly_the_purchases_without_a_session_in_the_list_are_unseen(
    bought: list[tuple[dict[str, Any], dt.datetime | None]], page_size: int
) -> None:
    rows = sorted((row for row, _ in bought), key=lambda row: row["created_at"], reverse=True)
    sessions = sorted(
        ((at, row) for row, at in bought if at is not None),
        key=lambda session: session[0],
        reverse=True,
    )
    walk = Walk(iter(rows))
    unseen = []
    for start in range(0, len(sessions), page_size):
        page = sessions[start : start + page_size]
        for _, row in page:
            walk.saw(row)
        unseen += list(walk.unseen(page[-1][0]))
    unseen += list(walk.unseen(None))
    expected = {row["id"] for row, at in bought if at is None}
    assert {row["id"] for row in unseen} == expected
    assert len(unseen) == len(expected)


def test_it_remembers_no_more_than_the_clocks_may_differ_by() -> None:
    minute = dt.timedelta(minutes=1)
    count = 10_000

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield {"id": uuid.UUID(int=number), "created_at": NOON - number * minute}

    walk, most = Walk(rows()), 0
    for number, row in enumerate(rows()):
        walk.saw(row)
        if number % 100 == 99:
            assert list(walk.unseen(row["created_at"])) == []
            most = max(most, walk.remembers)
    assert list(walk.unseen(None)) == []
    assert most <= CLOCKS_DIFFER_BY / minute + 100


def test_a_clock_of_ours_that_is_ahead_makes_nothing_unseen() -> None:
    minute = dt.timedelta(minutes=1)
    ahead = {"id": uuid.UUID(int=1), "created_at": NOON}
    other = {"id": uuid.UUID(int=2), "created_at": NOON - 31 * minute}
    walk = Walk(iter([ahead, other]))
    walk.saw(other)
    assert list(walk.unseen(NOON - 30 * minute)) == []
    walk.saw(ahead)
    assert list(walk.unseen(NOON - 50 * minute)) == []
    assert list(walk.unseen(None)) == []
