"""What the overview draws: each chart with its words, and the table of its numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ....reports import Bucket, CurrencyFigures, Figures
from ..formats import money, number
from ..texts import text
from .charts import Chart, Series, column_chart
from .dates import day, month, short_day
from .scales import compact_money, compact_number


@dataclass(frozen=True, slots=True)
class Table:
    """Written numbers; the first cell of a row says what it is about."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart with everything that says the same without seeing it.

    :ivar id: of the HTML element; unique on the page.
    :ivar name: the title as it is understood alone.
    :ivar description: what it shows, in a sentence or two.
    """

    id: str
    title: str
    name: str
    description: str
    legend: Sequence[Series]
    chart: Chart
    table: Table


def revenue_drawing(figures: Figures, currency: CurrencyFigures) -> Drawing:
    """What was paid in one currency, step by step."""
    written = partial(money, currency=currency.currency)
    gross = Series(text("Paid"), [step.gross for step in currency.steps])
    name = text("Revenue in %(currency)s", currency=currency.currency.upper())
    table = Table(
        caption=name,
        headings=[
            _step_heading(figures.bucket),
            text("Purchases"),
            text("Paid"),
            text("Refunded"),
            text("Disputed"),
            text("Net"),
        ],
        rows=[
            [
                label,
                number(step.purchases),
                *(written(one) for one in (step.gross, step.refunded, step.disputed, step.net)),
            ]
            for label, step in zip(long_labels(figures), currency.steps, strict=True)
        ],
    )
    return Drawing(
        id=f"fsc-revenue-{currency.currency}",
        title=text("Revenue"),
        name=name,
        description=_description(figures, gross, written),
        legend=[gross],
        chart=column_chart(
            labels(figures),
            [gross],
            written=written,
            compact=partial(compact_money, currency=currency.currency),
        ),
        table=table,
    )


def credits_drawing(figures: Figures) -> Drawing:
    """Credits handed over and taken back, step by step."""
    steps = figures.credits_in_steps
    granted = Series(text("Granted"), [step.granted for step in steps], "good")
    taken_back = Series(text("Taken back"), [-step.taken_back for step in steps], "bad")
    table = Table(
        caption=text("Credits"),
        headings=[_step_heading(figures.bucket), text("Granted"), text("Taken back")],
        rows=[
            [label, number(step.granted), number(step.taken_back)]
            for label, step in zip(long_labels(figures), steps, strict=True)
        ],
    )
    taken = text("In all %(number)s were taken back.", number=number(figures.credits.taken_back))
    return Drawing(
        id="fsc-credits",
        title=text("Credits"),
        name=text("Credits granted and taken back"),
        description=f"{_description(figures, granted, number)} {taken}",
        legend=[granted, taken_back],
        chart=column_chart(
            labels(figures), [granted, taken_back], written=number, compact=compact_number
        ),
        table=table,
    )


def labels(figures: Figures) -> list[str]:
    """A short name for each step, for the axis."""
    short = month if figures.bucket is Bucket.MONTH else short_day
    return [short(start) for start in _shown_starts(figures)]


def long_labels(figures: Figures) -> list[str]:
    """A name for each step, with its year."""
    written = month if figures.bucket is Bucket.MONTH else day
    return [written(start) for start in _shown_starts(figures)]


def _shown_starts(figures: Figures) -> list[dt.date]:
    """The first day of each step; of a week that is cut short, the day on which it is cut."""
    return [max(start, figures.since).date() for start in figures.starts]


def _step_heading(bucket: Bucket) -> str:
    headings = {
        Bucket.DAY: text("Day"),
        Bucket.WEEK: text("Week from"),
        Bucket.MONTH: text("Month"),
    }
    return headings[bucket]


def _description(figures: Figures, series: Series, written: Callable[[int], str]) -> str:
    names = {
        Bucket.DAY: text("day by day"),
        Bucket.WEEK: text("week by week"),
        Bucket.MONTH: text("month by month"),
    }
    total = written(sum(series.values))
    said = text(
        "%(what)s %(steps)s: %(total)s in all.",
        what=series.label,
        steps=names[figures.bucket],
        total=total,
    )
    if not any(series.values):
        return said
    most = max(range(len(series.values)), key=lambda place: series.values[place])
    peak = text(
        "The most was %(most)s: %(when)s.",
        most=written(series.values[most]),
        when=long_labels(figures)[most],
    )
    return f"{said} {peak}"
