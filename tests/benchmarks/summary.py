"""What we ask of the figures, in one table: it is read from the other tables of the page.

So a part that was measured alone stands beside those of another day, and no figure is told in two
ways.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .databases import TITLES
from .report import part, table

_FIRST_FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Asked:
    """What we ask of one cell, whose first figure counts.

    :ivar under: the line above its table, or above the table before; empty is the part's beginning.
    :ivar row, column: their titles.
    """

    what: str
    part: str
    under: str
    row: str
    column: str
    at_most: float = float("inf")
    at_least: float = 0.0

    @property
    def limit(self) -> str:
        if self.at_least:
            return f"at least {self.at_least:g}"
        return f"at most {self.at_most:,.10g}"

    def is_met(self, cell: str) -> bool:
        figure = _FIRST_FIGURE.search(cell)
        return figure is not None and (
            self.at_least <= float(figure[0].replace(",", "")) <= self.at_most
        )


def _on_both(
    what: str, part: str, row: str, column: str, postgresql: float, sqlite: float
) -> Iterator[Asked]:
    for title, at_most in zip(TITLES.values(), (postgresql, sqlite), strict=True):
        yield Asked(f"{what}, {title}", part, f"{title}:", row, column, at_most)


_TO_REFERENCE, _TO_FIRST = "of the reference's (rounds)", "of the first of its kind"
_GAINED, _USER = "events a second (runs)", "a user of 100,000"
ASKED = (
    *_on_both("CPU of a payment, to the reference's", "webhook", "ours", _TO_REFERENCE, 0.75, 0.65),
    *_on_both("its Python calls", "webhook", "ours", "Python calls", 2_000, 2_000),
    *_on_both(
        "the same, delivered again", "webhook", "ours, delivered before", _TO_REFERENCE, 0.45, 0.45
    ),
    Asked(
        "payments a second over gunicorn, to the reference's",
        "throughput",
        "",
        "2 workers, 8 connections",
        "ratio (runs)",
        at_least=1.3,
    ),
    Asked(
        "99th percentile of 32 connections, to the reference's",
        "throughput",
        "",
        "2 workers, 32 connections",
        "ratio of p99 (runs)",
        1.0,
    ),
    Asked(
        "two workers to one",
        "throughput",
        "What a second worker brings:",
        "ours",
        _GAINED,
        at_least=1.5,
    ),
    Asked(
        "two workers on two cores to one on one",
        "throughput",
        "What a second worker and a second core bring:",
        "ours",
        _GAINED,
        at_least=1.5,
    ),
    Asked(
        "one user who buys everything, to many", "hot-user", "", "", "ratio (runs)", at_least=0.75
    ),
    *_on_both(
        "CPU of `GET /packages`, to the reference's",
        "buyers",
        "`GET /packages`",
        _TO_REFERENCE,
        1.0,
        1.0,
    ),
    *_on_both(
        "CPU of `GET /history`", "buyers", "`GET /history`, 50 purchases", _TO_REFERENCE, 1.0, 1.0
    ),
    *_on_both("CPU of `POST /purchase`", "buyers", "`POST /purchase`", _TO_REFERENCE, 1.2, 1.2),
    Asked("import and `init_app`, ms", "start", "", "as it comes", "together", 25),
    *_on_both(
        "history of 100,000 purchases to that of 50",
        "million",
        f"{_USER}, the first",
        _TO_FIRST,
        1.3,
        1.3,
    ),
    *_on_both("its last page", "million", f"{_USER}, the last", _TO_FIRST, 1.3, 1.3),
    *_on_both(
        "the dashboard's figures of a million purchases",
        "million",
        "all of them",
        "by the clock",
        1_000,
        1_000,
    ),
    Asked(
        "statements for each page that is reconciled",
        "reconciliation",
        "",
        "100,000 | nothing missed",
        "for each page",
        3,
    ),
    Asked(
        "two workers of the outbox to one",
        "outbox",
        "",
        "2",
        "times one worker's (runs)",
        at_least=1.5,
    ),
)


def summary(page: str) -> str:
    """The table, of a page's text; what hasn't been measured is not met."""
    rows = []
    for asked in ASKED:
        cell = _cell(part(asked.part, page), asked)
        rows.append((asked.what, cell, asked.limit, "yes" if asked.is_met(cell) else "**no**"))
    return table(("", "measured", "asked", "met"), rows)


def _cell(text: str, asked: Asked) -> str:
    """The cell of the page, if it has one."""
    lines = text[text.find(asked.under) :].splitlines()
    columns: Sequence[str] = ()
    for before, line in itertools.pairwise(["", *lines]):
        if line.startswith("| ") and not before.startswith("|"):
            columns = _cells(line)
        elif (
            asked.column in columns
            and not line.startswith("| ---")
            and line.startswith(f"| {asked.row} |" if asked.row else "|")
        ):
            return _cells(line)[columns.index(asked.column)]
    return "not measured"


def _cells(line: str) -> Sequence[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
