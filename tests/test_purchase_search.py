from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.errors import InvalidFilter
from flask_stripe_credits.purchase_search import PurchaseFilter, find_purchase, search_purchases
from flask_stripe_credits.reading import reading

from .hosts import Host
from .payloads import dispute, event, refund

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def search(
    host: Host, *, limit: int = 50, after: uuid.UUID | None = None, **wanted: Any
) -> list[Any]:
    with host.app.app_context(), reading(host.state) as connection:
        rows, more = search_purchases(
            connection, host.state.models, PurchaseFilter(**wanted), limit=limit, after=after
        )
    assert len(rows) <= limit
    return [*(row["id"] for row in rows), *(["more"] if more else [])]


def find(host: Host, reference: str) -> uuid.UUID | None:
    with host.app.app_context(), reading(host.state) as connection:
        return find_purchase(connection, host.state.models, reference)


def test_a_later_page_costs_no_more_with_a_last_day(sqlite_host: Host) -> None:
    """All that was made before ``until`` lies under it, also what earlier pages have shown."""
    made = [
        sqlite_host.add_purchase(created_at=START + dt.timedelta(hours=hour))["id"]
        for hour in range(120)
    ]
    wanted = {"user_id": "alice", "since": START, "until": START + dt.timedelta(hours=119)}
    first, last = (
        steps_of_sqlite(
            sqlite_host, lambda after=after: search(sqlite_host, limit=10, after=after, **wanted)
        )
        for after in (made[118], made[11])
    )
    assert search(sqlite_host, limit=10, after=made[11], **wanted) == [*made[10:0:-1], "more"]
    assert last < first * 1.2


def steps_of_sqlite(host: Host, call: Callable[[], object]) -> int:
    """How many steps SQLite's machine takes: the same number at every run."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def watch(connection: Any, *_: Any) -> None:
        connection.connection.dbapi_connection.set_progress_handler(count, 1)

    with host.app.app_context():
        engine = host.db.engine
    sa.event.listen(engine, "begin", watch)
    call()
    sa.event.remove(engine, "begin", watch)
    return steps


def test_each_filter_by_itself_and_all_together(host: Host) -> None:
    def add(hour: int, **values: Any) -> uuid.UUID:
        made = START + dt.timedelta(hours=hour)
        found: uuid.UUID = host.add_purchase(created_at=made, **values)["id"]
        return found

    old = add(0, status="failed")
    bobs = add(1, user_id="bob", package_code="pro", package_name="Pro Pack")
    new = add(2)
    assert search(host) == [new, bobs, old]
    assert search(host, status="failed") == [old]
    assert search(host, user_id="bob") == [bobs]
    assert search(host, package_code="pro") == [bobs]
    assert search(host, since=START + dt.timedelta(hours=1)) == [new, bobs]
    assert search(host, until=START + dt.timedelta(hours=1)) == [old]
    assert search(host, text="PRO pa") == [bobs]
    assert search(host, text="lic") == [new, old]
    everything = {
        "status": "pending",
        "user_id": "bob",
        "package_code": "pro",
        "since": START,
        "until": START + dt.timedelta(hours=2),
        "text": str(bobs),
    }
    assert search(host, **everything) == [bobs]
    for name in ("user_id", "package_code"):
        assert search(host, **(everything | {name: "other"})) == []


def test_ids_find_exactly_their_purchase(host: Host) -> None:
    purchase = host.add_purchase()
    host.add_purchase(user_id="bob")
    host.pay(purchase)
    row = host.purchase(purchase["id"])
    for name in ("id", "stripe_checkout_session_id", "stripe_payment_intent_id"):
        assert search(host, text=str(row[name])) == [row["id"]]
    assert search(host, text=f"  {str(row['id']).upper()} ") == [row["id"]]
    assert search(host, text=row["stripe_checkout_session_id"][:-1]) == []


def test_users_may_have_ids_that_look_like_purchases(host: Host) -> None:
    user = str(uuid.uuid4())
    theirs = host.add_purchase(user_id=user)["id"]
    cards = host.add_purchase(user_id="pi_lover_of_cards")["id"]
    assert search(host, text=user) == [theirs]
    assert search(host, text="pi_lover_of_cards") == [cards]
    assert search(host, text="pi_lov") == [cards]


@pytest.mark.parametrize("text", ["%", "_", "/", "\\", "'", "100%", "a_b"])
def test_wildcards_and_quotes_are_letters(host: Host, text: str) -> None:
    with_it = host.add_purchase(user_id=f"user{text}x")["id"]
    host.add_purchase(user_id="user-x", package_name="a-b 100 percent")
    assert search(host, text=text) == [with_it]


def test_pages_neither_repeat_nor_skip_also_where_the_time_is_the_same(host: Host) -> None:
    made = [
        host.add_purchase(created_at=START + dt.timedelta(minutes=minute))["id"]
        for minute in (1, 2, 2, 2, 2, 3)
    ]
    seen: list[uuid.UUID] = []
    for rest in (4, 2, 0):
        page = search(host, limit=2, after=seen[-1] if seen else None)
        assert ("more" in page) is (rest > 0)
        seen += page[:2]
        host.add_purchase()
    assert sorted(seen) == sorted(made)
    assert seen[0] == made[-1] and seen[-1] == made[0]
    assert search(host, after=uuid.uuid4()) == []


@pytest.mark.parametrize(
    "wanted, problem",
    [
        ({"status": "paid"}, "status is 'paid'; it can be pending"),
        ({"user_id": ""}, "user_id is empty"),
        ({"text": " \t"}, "text is empty"),
        ({"text": "x" * 256}, "text is longer than 255 characters"),
        ({"text": "a\0b"}, "text has characters that no text can have"),
        ({"user_id": "a\ud800"}, "user_id has characters that no text can have"),
        ({"package_code": "\udfff"}, "package_code has characters that no text can have"),
        ({"since": dt.datetime(2026, 1, 1)}, "since has no time zone"),  # noqa: DTZ001
        ({"since": START, "until": START}, "until isn't later than since"),
    ],
)
def test_what_no_database_would_find_is_refused(wanted: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidFilter, match=problem) as raised:
        PurchaseFilter(**wanted)
    assert raised.value.field in problem


def test_anything_that_names_a_purchase_finds_it(host: Host) -> None:
    purchase = host.add_purchase()
    host.add_purchase(user_id="bob")
    paid = host.paid_event(purchase)
    host.post_event(paid)
    row = host.purchase(purchase["id"])
    intent = row["stripe_payment_intent_id"]
    gave, disputed = refund(intent, 100), dispute(intent, 100)
    host.post_event(event("refund.created", gave))
    host.post_event(event("charge.dispute.created", disputed))
    references = [
        str(row["id"]),
        str(row["id"]).upper(),
        row["stripe_checkout_session_id"],
        intent,
        paid["id"],
        gave["id"],
        disputed["id"],
        *(str(grant["id"]) for grant in host.grants()),
    ]
    assert [find(host, one) for one in references] == [row["id"]] * len(references)


def test_what_names_no_purchase_finds_none(host: Host) -> None:
    lost = host.paid_event(host.add_purchase() | {"id": uuid.uuid4()}, id="cs_test_lost")
    host.post_event(lost)
    assert [event["verdict"] for event in host.rows(host.state.models.WebhookEvent)] == ["orphan"]
    for reference in (lost["id"], str(uuid.uuid4()), "cs_nothing", "", "alice", "\0", "é", "%"):
        assert find(host, reference) is None


def test_an_id_as_it_stands_in_a_file_of_sqlites_is_one(host: Host) -> None:
    id = host.add_purchase()["id"]
    assert find(host, id.hex) == find(host, id.hex.upper()) == find(host, str(id)) == id
    assert find(host, uuid.uuid4().hex) is None
