"""The dashboard's figures: how long each of them takes."""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from flask_stripe_credits.reading import reading
from flask_stripe_credits.reports import Bucket, Figures, Period, figures, health
from flask_stripe_credits.reports.buyers import buyers_until
from flask_stripe_credits.reports.credits import credits_in_steps
from flask_stripe_credits.reports.funnel import funnel
from flask_stripe_credits.reports.period import Steps, cut
from flask_stripe_credits.reports.reversals import disputes, refunds
from flask_stripe_credits.reports.sales import sales

from ..hosts import Host
from .databases import Databases
from .report import table
from .sizes import Size

PACKAGE = "standard"


def a_year_by_day(end: dt.datetime) -> Steps:
    """Every purchase of a made-up year, in as many steps as a chart has."""
    return cut(end - dt.timedelta(days=366), end, Bucket.DAY)


def each_figure(
    connection: sa.Connection, host: Host, steps: Steps, package_code: str | None
) -> Mapping[str, Callable[[], Any]]:
    """What the dashboard asks for, one call each."""
    models = host.state.models
    asked = (connection, models, steps, package_code)
    currencies = {sale.currency for sale in sales(*asked)}
    of_buyers = (connection, models, steps.until, package_code)
    return {
        "sales": lambda: sales(*asked),
        "credits": lambda: credits_in_steps(*asked),
        "refunds": lambda: refunds(*asked),
        "disputes": lambda: disputes(*asked),
        "funnel": lambda: funnel(*asked),
        "buyers": lambda: [buyers_until(*of_buyers, currency) for currency in currencies],
        "webhooks": lambda: health.webhooks(connection, models, steps),
        "waiting": lambda: health.waiting(connection, models),
        "undelivered": lambda: health.undelivered(connection, models),
    }


def all_figures(
    connection: sa.Connection, host: Host, steps: Steps, package_code: str | None
) -> Callable[[], Figures]:
    """What the dashboard asks for, in one call."""
    period = Period(steps.since, steps.until)
    return lambda: figures(connection, host.state.models, period, package_code, bucket=steps.bucket)


def figures_of_a_year(host: Host, made: Databases, size: Size, end: dt.datetime) -> str:
    """A table of them: of all packages, and of one."""
    year, month = a_year_by_day(end), cut(end - dt.timedelta(days=30), end, None)
    rows: dict[str, list[str]] = {}
    for package_code in (None, PACKAGE):
        with host.app.app_context(), reading(host.state) as connection:
            clock = made.clock()
            calls = {
                **each_figure(connection, host, year, package_code),
                "all of them": all_figures(connection, host, year, package_code),
                "all of the last 30 days": all_figures(connection, host, month, package_code),
            }
            for name, call in calls.items():
                cpu, seconds = _taken(call, clock, size.tries)
                rows.setdefault(name, []).extend(_milliseconds(cpu, seconds))
    header = ("", "all packages, CPU", "by the clock", "one package, CPU", "by the clock")
    return table(header, [(name, *found) for name, found in rows.items()])


def _taken(call: Callable[[], Any], clock: Callable[[], float], tries: int) -> tuple[float, float]:
    """Seconds of CPU, the database's among them, and of the clock: medians."""
    found = []
    for _ in range(tries):
        began, cpu = time.perf_counter(), clock()
        call()
        found.append((clock() - cpu, time.perf_counter() - began))
    cpus, seconds = zip(*found, strict=True)
    return statistics.median(cpus), statistics.median(seconds)


def _milliseconds(*seconds: float) -> list[str]:
    return [f"{1000 * each:.0f} ms" for each in seconds]
