"""The overview's figures, held against a naive computation over the rows, in another way."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from flask_stripe_credits.money import Money

from ..figures import Figures, scaled
from ..hosts import PREFIX, Host
from .conftest import DASHBOARD, make_dashboard_host

UNTIL = dt.datetime(2026, 10, 31, 18, tzinfo=dt.UTC)
PERIODS = [
    ("from=2026-03-01&to=2026-03-31", dt.date(2026, 3, 1), dt.date(2026, 3, 31)),
    ("from=2026-07-15&to=2026-10-31", dt.date(2026, 7, 15), dt.date(2026, 10, 31)),
    ("range=all", dt.date(2025, 1, 1), dt.date(2027, 1, 1)),
]


@pytest.fixture
def year(database_url: str) -> Host:
    """A host with a year of made-up purchases."""
    return host_with(database_url, purchases=700, seed=6)


def host_with(database_url: str, *, purchases: int, seed: int) -> Host:
    host = make_dashboard_host(database_url)
    arguments = ["credits", "demo-data", "--purchases", str(purchases), "--seed", str(seed)]
    until = f"{UNTIL:%Y-%m-%dT%H:%M:%S}"
    result = host.app.test_cli_runner().invoke(args=[*arguments, "--until", until])
    assert result.exit_code == 0, result.output
    return host


class Rows:
    """Everything that the figures are made of, as it is in the tables."""

    def __init__(self, host: Host) -> None:
        self.purchases = host.purchases()
        self.refunds = host.rows(host.credits.Refund)
        self.disputes = host.rows(host.credits.Dispute)
        self.grants = host.grants()


class Naive:
    """Adds up row by row what lies between two days, both included."""

    def __init__(self, rows: Rows, first: dt.date, last: dt.date, package: str | None) -> None:
        purchases = [
            row for row in rows.purchases if package is None or row["package_code"] == package
        ]
        self.first, self.last = first, last
        paid = [row for row in purchases if row["paid_at"] is not None]
        self.paid = [row for row in paid if self.holds(row["paid_at"])]
        self.paid_until = [row for row in paid if row["paid_at"].date() <= last]
        self.opened = [row for row in purchases if self.holds(row["created_at"])]
        owner = {row["stripe_payment_intent_id"]: row for row in purchases}
        self.refunds = self.of_payments(rows.refunds, owner)
        self.disputes = self.of_payments(rows.disputes, owner)
        known = {row["id"] for row in purchases}
        self.grants = [
            row
            for row in rows.grants
            if row["purchase_id"] in known and self.holds(row["created_at"])
        ]

    def holds(self, moment: dt.datetime) -> bool:
        return self.first <= moment.date() <= self.last

    @staticmethod
    def of_payments(rows: list[dict[str, Any]], owner: dict[str, Any]) -> list[dict[str, Any]]:
        return [row for row in rows if row["stripe_payment_intent_id"] in owner]

    def money(self, currency: str) -> dict[str, int]:
        def amount(rows: list[dict[str, Any]], name: str = "amount") -> int:
            return sum(row[name] for row in rows if row["currency"] == currency)

        def live_refunds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [row for row in rows if row["status"] not in ("failed", "canceled")]

        def live_disputes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [row for row in rows if row["status"] in ("needs_response", "lost")]

        def now(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [row for row in rows if self.holds(row["created_at"])]

        def ever(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [row for row in rows if row["created_at"].date() <= self.last]

        refunds, disputes = live_refunds(self.refunds), live_disputes(self.disputes)
        gross = amount(self.paid, "amount_paid")
        number = sum(row["currency"] == currency for row in self.paid)
        buyers = {row["user_id"] for row in self.paid_until if row["currency"] == currency}
        worth = (
            amount(self.paid_until, "amount_paid") - amount(ever(refunds)) - amount(ever(disputes))
        )
        return {
            "gross": gross,
            "net": gross - amount(now(refunds)) - amount(now(disputes)),
            "average": halves_up(gross, number),
            "refunds": amount(now(refunds)),
            "disputes": amount(now(disputes)),
            "lifetime": halves_up(worth, len(buyers)),
        }


def halves_up(total: int, number: int) -> int:
    whole, rest = divmod(total, number)
    return whole + (2 * rest >= number)


def shown(page: str) -> dict[str, str]:
    found = re.findall(r'data-figure="([^"]+)">([^<]*)<', page)
    return {name: html.unescape(value) for name, value in found}


def written(amount: int, currency: str) -> str:
    return str(Money(amount, currency)).replace("-", "\N{MINUS SIGN}")


def tables(page: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Caption and body of each table, as text."""
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        caption = re.search(r"<caption[^>]*>(.*?)</caption>", table, re.DOTALL)
        body = re.search(r"<tbody>(.*)</tbody>", table, re.DOTALL)
        assert caption is not None and body is not None
        rows = re.findall(r"<tr.*?</tr>", body[1], re.DOTALL)
        yield text(caption[1]), [cells(row) for row in rows]


def cells(row: str) -> list[str]:
    return [text(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]


def text(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def test_every_figure_is_what_the_rows_add_up_to(year: Host) -> None:
    assert compare(year, (None, "standard", "launch-eu")) > 50


@pytest.mark.soak
def test_every_figure_of_a_large_year(database_url: str, figures: Figures) -> None:
    count = scaled(100_000)
    host = host_with(database_url, purchases=count, seed=1)
    figures(purchases=count, compared=compare(host, (None, "pro")))


def compare(host: Host, packages: Sequence[str | None]) -> int:
    """Hold every page against the rows; return how many amounts were compared."""
    compared, rows = 0, Rows(host)
    for query, first, last in PERIODS:
        for package in packages:
            naive = Naive(rows, first, last, package)
            address = f"{DASHBOARD}?{query}" + (f"&package={package}" if package else "")
            page = host.client.get(address).text
            found = shown(page)
            currencies = {row["currency"] for row in naive.paid}
            assert {name.partition("-")[0] for name in found} == currencies
            for currency in currencies:
                for name, amount in naive.money(currency).items():
                    assert found[f"{currency}-{name}"] == written(amount, currency), (address, name)
                    compared += 1
            compare_tables(page, naive)
            compare_series(page)
    return compared


def compare_tables(page: str, naive: Naive) -> None:
    found = dict(tables(page))
    stages = {row[0]: int(row[2].replace(",", "")) for row in found["Conversion"]}
    statuses = Counter(row["status"] for row in naive.opened)
    expected = {
        "Opened": len(naive.opened),
        "Paid": sum(row["paid_at"] is not None for row in naive.opened),
        "Granted": sum(row["completed_at"] is not None for row in naive.opened),
        "Abandoned": statuses["expired"],
        "Failed": statuses["failed"],
        "Still open": statuses["pending"],
        "Bank debit on its way": statuses["processing"],
        "In review": statuses["review"],
    }
    assert stages == {name: count for name, count in expected.items() if count}
    credits = [[int(cell.replace(",", "")) for cell in row[1:]] for row in found["Credits"]]
    given = sum(row["credits"] for row in naive.grants if row["credits"] > 0)
    taken = -sum(row["credits"] for row in naive.grants if row["credits"] < 0)
    assert [sum(column) for column in zip(*credits, strict=True)] == [given, taken]
    sold: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in naive.paid:
        one = sold[row["package_name"], row["currency"]]
        one[0] += 1
        one[1] += row["amount_paid"]
        one[2] += row["amount_credits"]
    popular = sorted(row[1:] for row in found["Popular packages"])
    assert popular == sorted(
        [f"{number:,}", written(amount, currency), f"{credits:,}"]
        for (_, currency), (number, amount, credits) in sold.items()
    )


def compare_series(page: str) -> None:
    """The steps of the charts' tables add up to the totals."""
    found = dict(tables(page))
    for name, total in shown(page).items():
        currency, _, figure = name.partition("-")
        if figure == "gross":
            rows = found[f"Revenue in {currency.upper()}"]
            series = sum(Money.from_major(plain(row[2]), currency).amount for row in rows)
            assert written(series, currency) == total


def plain(amount: str) -> Decimal:
    return Decimal(re.sub(r"[^0-9.]", "", amount))


def test_the_page_the_command_and_the_api_say_the_same_to_the_cent(year: Host) -> None:
    """Beside :func:`test_every_figure_is_what_the_rows_add_up_to`: three ways, one result."""
    runner = year.app.test_cli_runner()
    compared = 0
    for package in (None, "pro"):
        only = ["--package", package] if package else []
        period = ["--since", "2026-03-01", "--until", "2026-07-01"]
        told = runner.invoke(args=["credits", "stats", "--json", *period, *only])
        assert told.exit_code == 0, told.output
        document = json.loads(told.output)
        asked = {"since": "2026-03-01T00:00:00Z", "until": "2026-07-01T00:00:00Z"}
        asked |= {"package_code": package} if package else {}
        answer = year.client.get(f"{PREFIX}/admin/figures", query_string=asked)
        assert answer.status_code == 200, answer.text
        assert answer.json == document
        query = "from=2026-03-01&to=2026-06-30" + (f"&package={package}" if package else "")
        page = year.client.get(f"{DASHBOARD}?{query}").text
        found = shown(page)
        for one in document["currencies"]:
            currency, total = one["currency"], one["total"]
            if not total["purchases"]:
                continue
            amounts = {
                "gross": total["gross"],
                "net": total["net"],
                "average": total["average"],
                "refunds": one["refunds"]["amount"],
                "disputes": one["disputes"]["amount"],
                "lifetime": one["lifetime"]["value"],
            }
            for name, amount in amounts.items():
                assert found.pop(f"{currency}-{name}") == written(amount, currency)
                compared += 1
        assert found == {}
        stages = {row[0]: row[3] for row in dict(tables(page))["Conversion"]}
        funnel = document["funnel"]
        assert stages["Paid"] == f"{funnel['paid_percent']} %"
        assert stages["Abandoned"] == f"{funnel['expired_percent']} %"
    assert compared >= 24


@pytest.fixture
def empty(new_database: Callable[[str], str]) -> Host:
    return make_dashboard_host(new_database("sqlite"))


def test_without_any_purchase_there_is_a_page_that_says_so(empty: Host) -> None:
    page = empty.client.get(f"{DASHBOARD}?range=all")
    assert page.status_code == 200
    assert "Nothing was sold in this period" in page.text
    assert "No checkout was opened" in page.text


def test_odd_choices_get_a_page_and_are_told_of(empty: Host) -> None:
    for query, told in {
        "from=2040-01-01": "Nothing was sold",
        "from=2040-01-01&to=2040-02-01": "Nothing was sold",
        "to=2001-01-01": "Nothing was sold",
        "from=tomorrow": "t understood. Write it as 2026-03-31",
        "from=2026-02-02&to=2026-02-01": "The first day is later",
        "package=%00": "Nothing was sold",
        "range=%F0%9F%92%B0&package=" + "a" * 500: "Nothing was sold",
    }.items():
        page = empty.client.get(f"{DASHBOARD}?{query}")
        assert page.status_code == 200, query
        assert told in page.text, query
