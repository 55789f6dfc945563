"""The geometry of charts, and the words at their edges."""

from __future__ import annotations

import itertools

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from flask_stripe_credits.web.pages.dashboard.charts import (
    Series,
    column_chart,
    scale_marks,
    share,
)
from flask_stripe_credits.web.pages.dashboard.scales import compact_money, compact_number

WHOLE = st.integers(-(10**15), 10**15)


@given(WHOLE, WHOLE)
def test_the_scale_is_even_covers_everything_and_has_few_marks(one: int, other: int) -> None:
    low, high = sorted((one, other))
    marks = scale_marks(low, high)
    assert marks[0] <= low and marks[-1] >= high
    assert 0 in marks
    assert len({after - before for before, after in itertools.pairwise(marks)}) == 1
    assert 2 <= len(marks) <= 7
    step = marks[1] - marks[0]
    assert str(step).strip("0") in {"1", "2", "5"}
    # Without a mark to spare at either end.
    assert low >= 0 or marks[1] > low
    assert high <= 0 or marks[-2] < high


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 0, [0, 1]),
        (0, 3, [0, 1, 2, 3]),
        (0, 100, [0, 50, 100]),
        (0, 1001, [0, 500, 1000, 1500]),
        (-40, 100, [-50, 0, 50, 100]),
        (-7, 0, [-8, -6, -4, -2, 0]),
    ],
)
def test_scales(low: int, high: int, marks: list[int]) -> None:
    assert scale_marks(low, high) == marks


def test_columns_stand_on_the_line_and_are_as_high_as_their_number() -> None:
    chart = column_chart(
        ["Mon", "Tue"],
        [Series("Up", [100, 25]), Series("Down", [0, -50], "bad")],
        written=lambda value: f"<{value}>",
        compact=str,
    )
    assert [mark.label for mark in chart.scale] == ["100", "50", "0", "-50"]
    assert [mark.position for mark in chart.scale] == [0, 33.333, 66.667, 100]
    assert chart.zero == 66.667
    monday, tuesday = chart.steps
    assert [(c.y, c.height, c.tone) for c in monday.columns] == [(0, 66.667, "accent")]
    assert [(c.y, c.height, c.tone) for c in tuesday.columns] == [
        (50, 16.667, "accent"),
        (66.667, 33.333, "bad"),
    ]
    assert tuesday.hint == "Tue: Up <25>, Down <-50>"
    assert (tuesday.left, tuesday.width) == (50, 50)
    assert tuesday.x > 50 and tuesday.x + tuesday.column_width < 100


@given(st.integers(0, 1500))
def test_the_axis_has_a_few_labels_wherever_there_are_steps(steps: int) -> None:
    chart = column_chart(
        [str(number) for number in range(steps)],
        [Series("x", [1] * steps)],
        written=str,
        compact=str,
    )
    assert len(chart.axis) <= 6
    assert bool(chart.axis) == bool(steps)
    assert all(0 < mark.position < 100 for mark in chart.axis)
    assert len(chart.steps) == steps


def test_shares() -> None:
    assert [share(1, 4), share(0, 0), share(5, 0), share(9, 4), share(-1, 4)] == [25, 0, 0, 100, 0]


@pytest.fixture
def app() -> Flask:
    return Flask("scales")


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (0, "usd", "$0"),
        (950, "usd", "$9.5"),
        (123_400, "usd", "$1.23k"),
        (100_000_00, "usd", "$100k"),
        (2_500_000_00, "eur", "€2.5M"),
        (5_000_000_000_00, "usd", "$5B"),
        (500, "jpy", "¥500"),
        (12_000, "jpy", "¥12k"),
        (1_500, "chf", "CHF 15"),
        (-200_000, "usd", "\N{MINUS SIGN}$2k"),
    ],
)
def test_money_at_the_edge(app: Flask, amount: int, currency: str, written: str) -> None:
    with app.app_context():
        assert compact_money(amount, currency) == written


def test_numbers_at_the_edge(app: Flask) -> None:
    with app.app_context():
        written = [compact_number(number) for number in (0, 20, 999, 1000, 1500, 2_000_000, -5000)]
    assert written == ["0", "20", "999", "1k", "1.5k", "2M", "\N{MINUS SIGN}5k"]
