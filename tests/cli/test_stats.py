"""``flask credits stats``: the figures, for people and for machines."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from flask_stripe_credits.demo_data import make_demo_data
from flask_stripe_credits.money import Money
from flask_stripe_credits.reading import reading
from flask_stripe_credits.reports import Bucket, Figures, Period, figures
from flask_stripe_credits.web.figures_schema import figures_document

from ..hosts import Host, make_host

END = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
BEGIN = END - dt.timedelta(days=61)


def stats(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "stats", *arguments])


@pytest.fixture
def year(new_database: Callable[[str], str]) -> Host:
    host = make_host(new_database("sqlite"))
    host.load_packages()
    with host.app.app_context():
        make_demo_data(host.state, 1_000, 2, END)
    return host


def read(host: Host, package_code: str | None = None, bucket: Bucket | None = None) -> Figures:
    with host.app.app_context(), reading(host.state) as connection:
        period = Period(BEGIN, END)
        return figures(connection, host.state.models, period, package_code, bucket=bucket)


DATES = ("--since", f"{BEGIN:%Y-%m-%d}", "--until", f"{END:%Y-%m-%d}")


@pytest.mark.parametrize("package_code", [None, "pro"])
def test_json_has_every_figure_to_the_cent(year: Host, package_code: str | None) -> None:
    more = ("--package", package_code) if package_code else ()
    result = stats(year, *DATES, *more, "--bucket", "week", "--json")
    assert result.exit_code == 0, result.output
    found = read(year, package_code, Bucket.WEEK)
    assert json.loads(result.output) == figures_document(found)
    document = json.loads(result.output)
    usd, expected = document["currencies"][-1], found.currencies[-1]
    assert usd["total"] == {
        "purchases": expected.total.purchases,
        "gross": expected.total.gross,
        "refunded": expected.total.refunded,
        "disputed": expected.total.disputed,
        "net": expected.total.net,
        "average": expected.total.average,
    }
    assert expected.total.gross > 0
    assert sum(step["net"] for step in usd["steps"]) == usd["total"]["net"]
    assert [step["start"] for step in usd["steps"]] == [
        f"{start:%Y-%m-%dT%H:%M:%SZ}" for start in found.starts
    ]
    assert document["funnel"]["paid_percent"] == float(
        found.funnel.percent(found.funnel.paid) or -1
    )


def cells(output: str, heading: str) -> dict[str, list[str]]:
    """The lines of the table with this heading, by their first word."""
    lines = output.split("\n")
    begin = next(n for n, line in enumerate(lines) if line.startswith(heading))
    table = lines[begin + 1 : begin + 1 + lines[begin + 1 :].index("")]
    return {line.split()[0]: line.split()[1:] for line in table}


def test_people_see_the_same_figures(year: Host) -> None:
    result = stats(year, *DATES)
    assert result.exit_code == 0, result.output
    found = read(year)
    lines = result.output.split("\n")
    assert lines[0] == "Stripe in test mode, site local"
    assert lines[1] == f"{BEGIN:%Y-%m-%d} 00:00 to {END:%Y-%m-%d} 00:00 UTC, all packages"
    money = cells(result.output, "MONEY  ")
    for one in found.currencies:
        total = one.total
        amounts: list[Any] = [total.gross, total.refunded, total.disputed, total.net]
        shown = [str(Money(amount, one.currency)) for amount in (*amounts, total.average or 0)]
        assert money[one.currency] == [f"{total.purchases:,}", *shown]
    checkouts = cells(result.output, "CHECKOUTS")
    assert checkouts["paid"] == [
        f"{found.funnel.paid:,}",
        f"{found.funnel.percent(found.funnel.paid)}",
        "%",
    ]
    assert cells(result.output, "CREDITS")["granted"] == [f"{found.credits.granted:,}"]
    for one in found.packages:
        assert f"{one.purchases:,}" in cells(result.output, "PACKAGES")[one.package_code]
    assert f"{found.currencies[-1].lifetime.buyers:,}" in result.output
    assert "BY DAY" in result.output


def test_the_last_thirty_days_are_shown_by_default(year: Host) -> None:
    document = json.loads(stats(year, "--json").output)
    assert document["bucket"] == "day"
    since, until = (dt.datetime.fromisoformat(document[name]) for name in ("since", "until"))
    assert dt.timedelta(days=30) <= until - since <= dt.timedelta(days=30, minutes=5)


def test_a_shop_without_a_purchase_or_a_key_has_figures(new_database: Any) -> None:
    host = make_host(new_database("sqlite"), STRIPE_SECRET_KEY="")
    result = stats(host)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Stripe in unknown mode, site local\n")
    assert "BY DAY: nothing" in result.output
    assert "never" in result.output


def test_what_is_wrong_is_said_with_its_option(year: Host) -> None:
    for arguments, complaint in (
        (("--since", "soon"), "'soon' is none of 35d, 12h"),
        (("--since", "2026-02-01", "--until", "2026-01-01"), "--until: until isn't later"),
        (("--since", "0001-01-01", "--bucket", "day"), "--bucket: bucket is too short"),
        (("--bucket", "hour"), "is not one of 'day', 'week', 'month'"),
    ):
        result = stats(year, *arguments)
        assert result.exit_code == 2, result.output
        assert complaint in result.output


def test_missing_tables_are_named(new_database: Any) -> None:
    result = stats(make_host(new_database("sqlite"), tables=False))
    assert result.exit_code == 1
    assert "flask credits db upgrade" in result.output
