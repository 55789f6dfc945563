"""The list of purchases, its filters and pages, the file, and one purchase's page."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from typing import Any

import pytest

from ..hosts import Host
from .conftest import DASHBOARD, make_dashboard_host


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host with a year of made-up purchases, which nobody changes."""
    host = make_dashboard_host(f"sqlite:///{tmp_path_factory.mktemp('shop') / 'shop.sqlite'}")
    result = host.app.test_cli_runner().invoke(
        args=["credits", "demo-data", "--purchases", "400", "--until", "2026-10-31"]
    )
    assert result.exit_code == 0, result.output
    return host


def listed(host: Host, query: str = "") -> list[str]:
    """The ids on all pages, walking from page to page."""
    address: str | None = f"{DASHBOARD}/purchases?{query}"
    found = []
    while address is not None:
        page = host.client.get(address).text
        found += re.findall(rf'href="{DASHBOARD}/purchases/([0-9a-f-]{{36}})"', page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        address = None if more is None else more[1].replace("&amp;", "&")
    return found


def newest_first(rows: list[dict[str, Any]]) -> list[str]:
    return [str(row["id"]) for row in sorted(rows, key=lambda row: row["created_at"], reverse=True)]


def test_page_by_page_every_purchase_is_listed_once(year: Host) -> None:
    assert listed(year) == newest_first(year.purchases())


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("status=refunded", lambda row: row["status"] == "refunded"),
        ("package=launch-eu", lambda row: row["package_code"] == "launch-eu"),
        ("q=demo-1-1", lambda row: "demo-1-1" in row["user_id"]),
        (
            "from=2026-03-01&to=2026-03-31&status=completed",
            lambda row: (
                row["created_at"].strftime("%Y-%m") == "2026-03" and row["status"] == "completed"
            ),
        ),
    ],
)
def test_filters(year: Host, query: str, wanted: Any) -> None:
    expected = newest_first([row for row in year.purchases() if wanted(row)])
    assert 0 < len(expected) < 400
    assert listed(year, query) == expected


def test_a_filter_that_makes_no_sense_is_said(year: Host) -> None:
    page = year.client.get(f"{DASHBOARD}/purchases?status=sold")
    assert page.status_code == 200
    assert "status is &#39;sold&#39;" in page.text
    nothing = year.client.get(f"{DASHBOARD}/purchases?q=nobody-at-all")
    assert "No purchases here" in nothing.text


def test_the_file_has_every_purchase_of_the_filter(year: Host) -> None:
    answer = year.client.get(f"{DASHBOARD}/purchases.csv?status=refunded&package=pro")
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    expected = [
        row
        for row in year.purchases()
        if (row["status"], row["package_code"]) == ("refunded", "pro")
    ]
    assert [row["id"] for row in rows] == newest_first(expected)
    assert {row["paid"] for row in rows} == {"80.00"}
    assert {row["currency"] for row in rows} == {"usd"}
    opened = dt.datetime.fromisoformat(rows[0]["created_at"])
    (newest,) = year.purchases(id=expected[-1]["id"])
    assert opened == newest["created_at"].replace(microsecond=0)


def test_a_buyers_name_runs_nothing_in_a_spreadsheet_or_on_the_page(year: Host) -> None:
    name = '=HYPERLINK("http://evil.test")<script>alert(1)</script>'
    purchase = year.add_purchase(user_id=name, created_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    query = "from=2020-01-01&to=2020-01-02"
    try:
        (row,) = csv.DictReader(
            io.StringIO(year.client.get(f"{DASHBOARD}/purchases.csv?{query}").text)
        )
        assert row["user_id"] == "'" + name
        for address in (f"?{query}", f"/{purchase['id']}"):
            page = year.client.get(f"{DASHBOARD}/purchases{address}")
            assert page.status_code == 200
            assert "<script>alert" not in page.text
    finally:
        with year.app.app_context(), year.db.engine.begin() as connection:
            table = year.credits.Purchase.__table__
            connection.execute(table.delete().where(table.c.id == purchase["id"]))


def test_one_purchase_shows_all_that_happened(year: Host) -> None:
    (refunded, *_) = year.purchases(status="refunded")
    page = year.client.get(f"{DASHBOARD}/purchases/{refunded['id']}").text
    for grant in year.grants(purchase_id=refunded["id"]):
        assert str(grant["id"]) in page
    for event in year.rows(year.credits.WebhookEvent, purchase_id=refunded["id"]):
        assert event["stripe_event_id"] in page
    assert refunded["stripe_payment_intent_id"] in page
    unknown = "00000000-0000-0000-0000-000000000000"
    assert year.client.get(f"{DASHBOARD}/purchases/{unknown}").status_code == 404
