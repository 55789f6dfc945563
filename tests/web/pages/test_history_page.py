"""The list of purchases: one's own, filtered, page by page, and as CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from typing import Any

from flask_stripe_credits.web.pages import history
from tests.hosts import Host
from tests.web.pages.conftest import PAGES, buyer_of, words

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def sold(host: Host, days: int = 0, **values: Any) -> str:
    """Add a purchase made ``days`` after the first of March; return its id."""
    made = NOON + dt.timedelta(days=days)
    return str(host.add_purchase(created_at=made, **values)["id"])


def shown(host: Host, query: str = "") -> list[str]:
    """The ids of the listed purchases, top down."""
    page = buyer_of(host).get(f"/history{query}")
    return re.findall(r'<td data-label="Package"><a href="/credits/purchases/([0-9a-f-]+)"', page)


def exported(host: Host, query: str = "") -> list[dict[str, str]]:
    answer = host.client.get(f"{PAGES}/history.csv{query}")
    assert answer.status_code == 200
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="purchases.csv"'
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_who_has_bought_nothing_is_told_where_to_begin(pages: Host) -> None:
    sold(pages, user_id="bob")
    page = buyer_of(pages).get("/history")
    assert "You haven&#39;t bought anything yet" in page
    assert "<table" not in page
    assert "history.csv" not in page
    assert exported(pages) == []


def test_F02_only_ones_own_purchases_are_listed_newest_first(pages: Host) -> None:
    first, last = sold(pages), sold(pages, days=2)
    foreign = sold(pages, days=1, user_id="bob")
    assert shown(pages) == [last, first]
    assert [row["id"] for row in exported(pages)] == [last, first]
    # As the place where a page begins, it tells as little as one that isn't there.
    assert shown(pages, f"?after={foreign}") == []


def test_each_status_has_its_word_and_its_filter(pages: Host) -> None:
    expected = {
        "completed": "Paid",
        "pending": "Not paid yet",
        "processing": "Processing",
        "failed": "Failed",
        "expired": "Expired",
        "refunded": "Refunded",
        "disputed": "Disputed",
        "review": "Being checked",
    }
    ids = {status: sold(pages, status=status) for status in expected}
    for status, word in expected.items():
        assert shown(pages, f"?status={status}") == [ids[status]], status
        table = buyer_of(pages).get(f"/history?status={status}").partition("<tbody>")[2]
        assert word in table
        assert [row["id"] for row in exported(pages, f"?status={status}")] == [ids[status]]
    assert len(shown(pages, "?status=nonsense")) == len(shown(pages)) == 8


def test_days_are_counted_whole(pages: Host) -> None:
    before, first, last, after = (sold(pages, days) for days in (-1, 0, 2, 3))
    assert shown(pages, "?since=2026-03-01&until=2026-03-03") == [last, first]
    assert shown(pages, "?since=2026-03-04") == [after]
    assert shown(pages, "?until=2026-02-28") == [before]
    assert "Nothing matches this filter." in buyer_of(pages).get("/history?since=2030-01-01")


def test_dates_that_are_none_are_said_and_left_out(small_pages: Host) -> None:
    only = sold(small_pages)
    for written in ("yesterday", "01.03.2026", "2026-02-30", "0001-01-01", "9999-12-31", "%00"):
        for query in (f"?since={written}", f"?until={written}"):
            page = buyer_of(small_pages).get(f"/history{query}")
            assert "Dates are written like 2026-01-31." in page, query
            assert only in page, query
            exported(small_pages, query)
    turned = "?since=2026-03-02&until=2026-03-01"
    assert "The first day is after the last one." in buyer_of(small_pages).get(f"/history{turned}")
    assert shown(small_pages, turned) == [only]


def test_pages_follow_each_other_without_gap_or_overlap(pages: Host) -> None:
    ids = [sold(pages, days=number % 5, status="completed") for number in range(45)]
    seen: list[str] = []
    query = "?status=completed"
    for _ in range(5):
        found = shown(pages, query)
        assert len(found) <= history.ROWS_OF_A_PAGE
        seen += found
        page = buyer_of(pages).get(f"/history{query}")
        older = re.search(r'rel="next" href="/credits/history([^"]+)"', page)
        if older is None:
            break
        assert "status=completed" in older[1]
        query = older[1].replace("&amp;", "&")
        # What is bought meanwhile neither repeats nor hides a row.
        sold(pages, days=10, status="completed")
    assert sorted(seen) == sorted(ids)
    assert "Newest" in buyer_of(pages).get(f"/history{query}")


def test_after_nonsense_the_list_begins_at_its_top(small_pages: Host) -> None:
    only = sold(small_pages)
    assert shown(small_pages, "?after=nonsense") == [only]
    assert shown(small_pages, "?after=00000000-0000-4000-8000-000000000000") == []


def test_the_csv_is_whole_exact_and_runs_nothing(pages: Host, monkeypatch: Any) -> None:
    monkeypatch.setattr(history, "ROWS_AT_A_TIME", 3)
    for number in range(7):
        sold(pages, days=number)
    sold(
        pages,
        days=9,
        package_name='=HYPERLINK("https://evil.example")',
        status="completed",
        currency="bhd",
        unit_amount=1_230,
        amount_paid=1_230,
        amount_refunded=400,
        credits_revoked=326,
    )
    rows = exported(pages)
    assert len(rows) == len({row["id"] for row in rows}) == 8
    assert rows[0]["package"] == '\'=HYPERLINK("https://evil.example")'
    assert (rows[0]["paid"], rows[0]["refunded"], rows[0]["currency"]) == ("1.230", "0.400", "BHD")
    assert rows[0]["created_at"] == "2026-03-10T12:00:00Z"
    assert (rows[1]["price"], rows[1]["paid"], rows[1]["status"]) == ("10.00", "", "pending")
    assert rows[0]["credits_taken_back"] == "326"


def test_amounts_are_what_was_paid_else_the_price(small_pages: Host) -> None:
    sold(small_pages, amount_paid=900, amount_refunded=300, status="completed")
    said = words(buyer_of(small_pages).get("/history"))
    assert "$9.00 $3.00 refunded Partly refunded" in said
