"""Long tests: marked ``soak``, left out unless ``--soak`` asks for them, with a table of figures.

A test takes ``figures`` and calls it with what it counted; its name, its database and the seconds
that it took are filled in. ``make soak`` runs them all and prints one table at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

_COUNTED, _DETAIL = "soak", "soak detail"
_FIRST_COLUMNS = ("test", "database")
_USUAL_ORDER = ("sessions", "worlds", "deliveries", "kills", "lost", "doubled")


def scaled(count: int, least: int = 1) -> int:
    """``count`` times the environment's ``SOAK_SCALE`` (1 unless set), at least ``least``."""
    return max(least, round(count * float(os.environ.get("SOAK_SCALE", "1"))))


class Figures:
    """What one test counted, for the table at the end of the run."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def __call__(self, **counts: float | str) -> None:
        """Add columns to this test's row; a count of a known name replaces it."""
        self._properties.append((_COUNTED, counts))

    def detail(self, title: str, counts: Mapping[str, int]) -> None:
        """Add a list of its own below the table, e.g. kills by step."""
        self._properties.append((_DETAIL, [title, dict(counts)]))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Where this test's figures go."""
    return Figures(request.node.user_properties)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long tests, and only them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    soak = config.getoption("--soak")
    left_out = [item for item in items if (item.get_closest_marker("soak") is None) == soak]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.getoption("--soak"):
        return
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call"
    ]
    rows = [_row(report) for report in reports]
    if not rows:
        return
    terminalreporter.section("figures")
    for line in _lines(rows):
        terminalreporter.write_line(line)
    for report in reports:
        for line in _details(report):
            terminalreporter.write_line(line)


def _row(report: pytest.TestReport) -> dict[str, str]:
    name, _, parameters = report.nodeid.rpartition("::")[2].partition("[")
    databases = [word for word in ("sqlite", "postgresql") if word in parameters]
    other = parameters.rstrip("]").split("-") if parameters else []
    variant = "-".join(word for word in other if word not in databases)
    counts: dict[str, Any] = {}
    for value in _given(report, _COUNTED):
        counts |= value
    row = {"test": f"{name}[{variant}]" if variant else name, "database": " ".join(databases)}
    row |= {column: _text(count) for column, count in counts.items()}
    row["seconds"] = f"{report.duration:,.0f}"
    return row if report.passed else row | {"outcome": "FAILED"}


def _text(count: object) -> str:
    if isinstance(count, bool) or not isinstance(count, (int, float)):
        return str(count)
    return f"{count:,}" if isinstance(count, int) else f"{count:,.2f}"


def _lines(rows: list[dict[str, str]]) -> Iterator[str]:
    found = list(dict.fromkeys(column for row in rows for column in row))
    known = [column for column in _FIRST_COLUMNS + _USUAL_ORDER if column in found]
    last = [column for column in ("seconds", "outcome") if column in found]
    columns = [*known, *(name for name in found if name not in known + last), *last]
    widths = [max(len(name), *(len(row.get(name, "")) for row in rows)) for name in columns]
    yield "| " + " | ".join(map(str.ljust, columns, widths)) + " |"
    yield "| " + " | ".join("-" * width for width in widths) + " |"
    for row in rows:
        yield "| " + " | ".join(map(str.ljust, (row.get(c, "") for c in columns), widths)) + " |"


def _details(report: pytest.TestReport) -> Iterator[str]:
    for title, counts in _given(report, _DETAIL):
        yield ""
        yield f"{report.nodeid.rpartition('::')[2]}: {title}"
        for name, count in counts.items():
            yield f"  {name.ljust(40)} {count:>8,}"


def _given(report: pytest.TestReport, kind: str) -> list[Any]:
    return [value for name, value in report.user_properties if name == kind]
