"""The figures of a million purchases: how long each takes, and an export's memory."""

from __future__ import annotations

import datetime as dt
import os
import time
import tracemalloc
from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from flask_stripe_credits.demo_data import make_demo_data
from flask_stripe_credits.reading import reading

from ..benchmarks.dashboard import a_year_by_day, all_figures, each_figure
from ..benchmarks.processes import cpu_seconds
from ..figures import Figures, scaled
from ..hosts import PREFIX, Host, make_host

pytestmark = pytest.mark.soak
END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
STEPS = a_year_by_day(END)
MOST_SECONDS = {"postgresql": 0.5, "sqlite": 1.0}
MOST_SECONDS_OF_ALL = 1.0
# The best of them: on a busy machine the others are about the machine.
TRIES = 5
MOST_MEGABYTES = 100
ALL = "all of them"


@pytest.fixture
def year(database_url: str) -> Host:
    host = make_host(database_url)
    host.load_packages()
    with host.app.app_context():
        make_demo_data(host.state, scaled(1_000_000, 1_000), 1, END)
        if host.db.engine.dialect.name == "postgresql":
            options = {"isolation_level": "AUTOCOMMIT"}
            with host.db.engine.connect().execution_options(**options) as connection:
                # What autovacuum does by itself on a server that isn't a test's.
                connection.execute(sa.text("VACUUM ANALYZE"))
    return host


def test_every_figure_is_quick_and_an_export_small(year: Host, figures: Figures) -> None:
    """One test, since a million purchases are made in minutes."""
    measured = [measure(year, package_code, figures) for package_code in (None, "standard")]
    together = max(each.pop(ALL) for each in measured)
    slowest = max(max(each.values()) for each in measured)
    lines, megabytes = export(year)
    figures(
        purchases=lines - 1,
        slowest_ms=slowest,
        together_ms=together,
        export_mb=round(megabytes, 1),
    )
    assert lines == scaled(1_000_000, 1_000) + 1
    assert megabytes < MOST_MEGABYTES
    with year.app.app_context():
        assert slowest <= MOST_SECONDS[year.db.engine.dialect.name] * 1_000
    assert together <= MOST_SECONDS_OF_ALL * 1_000


def measure(host: Host, package_code: str | None, figures: Figures) -> dict[str, int]:
    """The milliseconds of each figure and of all together, each at its best try.

    Of the clock's, or of CPU time where that is less: a busy machine makes everybody wait.
    """
    milliseconds: dict[str, int] = {}
    with host.app.app_context(), reading(host.state) as connection:
        working = [os.getpid(), *backend(connection)]
        asked = (connection, host, STEPS, package_code)
        for name, call in {**each_figure(*asked), ALL: all_figures(*asked)}.items():
            times = []
            for _ in range(TRIES):
                began, worked = time.perf_counter(), cpu_seconds(working)
                call()
                times += [time.perf_counter() - began, cpu_seconds(working) - worked]
            milliseconds[name] = round(min(times) * 1_000)
    figures.detail(f"milliseconds, package {package_code}", milliseconds)
    return milliseconds


def backend(connection: sa.Connection) -> Sequence[int]:
    """PostgreSQL's process that answers; none of SQLite's, which is in this one."""
    if connection.dialect.name == "sqlite":
        return []
    return connection.scalars(sa.text("SELECT pg_backend_pid()")).all()


def export(host: Host) -> tuple[int, float]:
    """The lines of the whole CSV, and the most memory that was taken meanwhile, in MB."""
    host.user = "olivia"
    host.credits.admin_check(lambda: True)
    answer = host.client.get(f"{PREFIX}/admin/purchases.csv", buffered=False)
    tracemalloc.start()
    lines = sum(bytes(chunk).count(b"\r\n") for chunk in answer.response)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    answer.close()
    return lines, peak / 1e6
