from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from flask_stripe_credits.demo_data import make_demo_data
from flask_stripe_credits.reading import reading
from flask_stripe_credits.reports import Bucket, Figures, Period, figures

from ..hosts import Host

END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)

AskFor = Callable[..., Figures]


@pytest.fixture
def ask() -> AskFor:
    """A function that reads the figures of a host."""

    def ask(
        host: Host,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        package_code: str | None = None,
        bucket: Bucket | None = None,
    ) -> Figures:
        with host.app.app_context(), reading(host.state) as connection:
            models, period = host.state.models, Period(since, until)
            return figures(connection, models, period, package_code, bucket=bucket)

    return ask


@pytest.fixture
def year(host: Host) -> Host:
    """A shop with a year behind it, once on SQLite and once on PostgreSQL."""
    host.load_packages()
    with host.app.app_context():
        make_demo_data(host.state, 1_000, 1, END)
    return host
