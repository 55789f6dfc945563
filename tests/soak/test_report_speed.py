"""The figures of a million purchases: how long each takes, and an export's memory."""

from __future__ import annotations

import datetime as dt
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.demo_data import make_demo_data
from flask_stripe_credits.reading import reading
from flask_stripe_credits.reports import Bucket, health
from flask_stripe_credits.reports.buyers import buyers_until
from flask_stripe_credits.reports.credits import credits_in_steps
from flask_stripe_credits.reports.funnel import funnel
from flask_stripe_credits.reports.period import cut
from flask_stripe_credits.reports.reversals import disputes, refunds
from flask_stripe_credits.reports.sales import sales

from ..figures import Figures, scaled
from ..hosts import PREFIX, Host, make_host

pytestmark = pytest.mark.soak
END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
# A year by day: every purchase, in as many steps as a chart has.
STEPS = cut(END - dt.timedelta(days=366), END, Bucket.DAY)
MOST_SECONDS = {"postgresql": 0.5, "sqlite": 1.0}
# The best of them: on a busy machine the others are about the machine.
TRIES = 5
MOST_MEGABYTES = 100


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


def calls(
    connection: sa.Connection, host: Host, package_code: str | None
) -> dict[str, Callable[[], Any]]:
    models = host.state.models
    asked = (connection, models, STEPS, package_code)
    currencies = ["eur", "jpy", "usd"]
    return {
        "sales": lambda: sales(*asked),
        "credits": lambda: credits_in_steps(*asked),
        "refunds": lambda: refunds(*asked),
        "disputes": lambda: disputes(*asked),
        "funnel": lambda: funnel(*asked),
        "buyers": lambda: buyers_until(connection, models, END, package_code, currencies),
        "webhooks": lambda: health.webhooks(connection, models, STEPS),
        "waiting": lambda: health.waiting(connection, models),
        "undelivered": lambda: health.undelivered(connection, models),
    }


def test_every_figure_is_quick_and_an_export_small(year: Host, figures: Figures) -> None:
    """One test, since a million purchases are made in minutes."""
    slowest = max(measure(year, package_code, figures) for package_code in (None, "standard"))
    lines, megabytes = export(year)
    figures(purchases=lines - 1, slowest_ms=slowest, export_mb=round(megabytes, 1))
    assert lines == scaled(1_000_000, 1_000) + 1
    assert megabytes < MOST_MEGABYTES
    with year.app.app_context():
        assert slowest <= MOST_SECONDS[year.db.engine.dialect.name] * 1_000


def measure(host: Host, package_code: str | None, figures: Figures) -> int:
    """The milliseconds of the slowest figure, each at its best try."""
    milliseconds: dict[str, int] = {}
    with host.app.app_context(), reading(host.state) as connection:
        for name, call in calls(connection, host, package_code).items():
            times = []
            for _ in range(TRIES):
                began = time.perf_counter()
                call()
                times.append(time.perf_counter() - began)
            milliseconds[name] = round(min(times) * 1_000)
    figures.detail(f"milliseconds, package {package_code}", milliseconds)
    return max(milliseconds.values())


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
