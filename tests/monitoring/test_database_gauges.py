"""S13: what is paid and has no credits shows up by itself, in no rate, and in bounded time."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.monitoring import database_gauges, watch
from flask_stripe_credits.monitoring.database_gauges import gauges_of

from ..hosts import Host
from ..payloads import checkout_session, dispute, event, refund
from .conftest import Meter, NewMetered, wait_until
from .freezer import freezer

GAUGES = ("recorded", "failed_event")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every question answered anew."""
    monkeypatch.setattr(database_gauges, "FRESH_SECONDS", 0.0)


@pytest.fixture
def seen(new_metered: NewMetered, database_url: str) -> Host:
    return new_metered(database_url)


def write(host: Host, model: Any, key: Any, **values: Any) -> None:
    """What a bug, or somebody with access to the database, leaves behind."""
    table = model.__table__
    (column,) = table.primary_key.columns
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).where(column == key).values(**values))


def ago(**span: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(**span)


def missing(meter: Meter) -> dict[str, float | None]:
    return {by: meter("paid_not_granted", seen=by) for by in GAUGES}


def test_S13_a_payment_without_its_grant_is_seen_and_how_old_it_is(
    seen: Host, meter: Meter
) -> None:
    for _ in range(3):
        seen.pay(seen.add_purchase())
    assert missing(meter) == {"recorded": 0, "failed_event": 0}
    lost = seen.purchases()[0]
    grants = seen.credits.Grant.__table__
    with seen.app.app_context(), seen.db.engine.begin() as connection:
        connection.execute(sa.delete(grants).where(grants.c.purchase_id == lost["id"]))
    write(seen, seen.credits.Purchase, lost["id"], completed_at=None, paid_at=ago(minutes=7))
    assert missing(meter) == {"recorded": 1, "failed_event": 0}
    oldest = meter("paid_not_granted_oldest_seconds", seen="recorded")
    assert oldest is not None and 419 < oldest < 480
    assert meter("paid_not_granted_oldest_seconds", seen="failed_event") == 0


def test_S13_a_payment_that_is_told_but_cant_be_granted_is_seen_until_it_is(
    new_metered: NewMetered, database_url: str, meter: Meter
) -> None:
    """The row says nothing of the payment then: all of it was rolled back."""
    broken = [True]

    def receiver(grant: GrantSnapshot) -> None:
        if broken:
            raise RuntimeError("no")

    host = new_metered(database_url, receiver=receiver)
    purchase = host.add_purchase()
    assert host.pay(purchase).status_code == 503
    assert missing(meter) == {"recorded": 0, "failed_event": 1}
    assert meter("waiting", kind="failed_event") == 1
    (inbox,) = host.rows(host.credits.WebhookEvent)
    write(host, host.credits.WebhookEvent, inbox["stripe_event_id"], received_at=ago(minutes=6))
    oldest = meter("paid_not_granted_oldest_seconds", seen="failed_event")
    assert oldest is not None and 359 < oldest < 420
    # Granted by another event, e.g. the return page's: the failed one is still there, harmless.
    broken.clear()
    assert host.pay(purchase).status_code == 200
    assert missing(meter) == {"recorded": 0, "failed_event": 0}
    assert [grant["credits"] for grant in host.grants()] == [1000]


def test_S13_a_bank_debit_that_is_paid_in_vain_is_seen(
    new_metered: NewMetered, database_url: str, meter: Meter
) -> None:
    def receiver(grant: GrantSnapshot) -> None:
        raise RuntimeError("no")

    host = new_metered(database_url, receiver=receiver)
    session = checkout_session(host.add_purchase(), payment_status="unpaid")
    assert host.post_event(event("checkout.session.completed", session)).status_code == 200
    assert missing(meter) == {"recorded": 0, "failed_event": 0}
    paid = event("checkout.session.async_payment_succeeded", session | {"payment_status": "paid"})
    assert host.post_event(paid).status_code == 503
    assert host.purchases()[0]["status"] == "processing"
    assert missing(meter) == {"recorded": 0, "failed_event": 1}


def test_what_owes_nobody_anything_is_not_counted(seen: Host, meter: Meter) -> None:
    """Paid, and rightly without credits."""
    gone = seen.add_purchase()
    session = checkout_session(gone)
    payment = session["payment_intent"]
    # All of it went back before we heard of the payment.
    seen.post_event(event("refund.created", refund(payment, 1000)))
    seen.post_event(event("checkout.session.completed", session))
    review = seen.add_purchase()
    seen.pay(review, currency="eur")
    disputed = seen.add_purchase()
    session = checkout_session(disputed)
    seen.post_event(
        event("charge.dispute.funds_withdrawn", dispute(session["payment_intent"], 1000))
    )
    seen.post_event(event("checkout.session.completed", session))
    assert seen.ledger() == []
    assert {row["status"] for row in seen.purchases()} == {"refunded", "review", "disputed"}
    assert missing(meter) == {"recorded": 0, "failed_event": 0}
    assert meter("waiting", kind="purchase") == 1
    seen.assert_exact()


def test_S13_what_waits_in_the_outbox_is_seen(
    new_metered: NewMetered, database_url: str, meter: Meter
) -> None:
    taken: list[GrantSnapshot] = []

    def take(grant: GrantSnapshot) -> None:
        taken.append(grant)

    host = new_metered(database_url, receiver=take, STRIPE_CREDITS_DELIVERY="outbox")
    host.pay(host.add_purchase())
    (grant,) = host.grants()
    write(host, host.credits.Grant, grant["id"], created_at=ago(minutes=9))
    assert meter("grants_undelivered") == 1
    oldest = meter("grants_undelivered_oldest_seconds")
    assert oldest is not None and 539 < oldest < 600
    assert missing(meter) == {"recorded": 0, "failed_event": 0}
    with host.app.app_context():
        host.credits.deliver_due()
    assert [grant.id for grant in taken] == [str(grant["id"])]
    assert meter("grants_undelivered") == meter("grants_undelivered_oldest_seconds") == 0


def test_orphans_and_the_last_webhook(seen: Host, meter: Meter) -> None:
    assert meter("webhook_last_handled_timestamp_seconds") == 0
    seen.pay(seen.add_purchase())
    last = meter("webhook_last_handled_timestamp_seconds")
    assert last is not None and abs(time.time() - last) < 60
    purchase = seen.add_purchase()
    session = checkout_session(purchase)
    with seen.app.app_context(), seen.db.engine.begin() as connection:
        table = seen.credits.Purchase.__table__
        connection.execute(sa.delete(table).where(table.c.id == purchase["id"]))
    seen.post_event(event("checkout.session.completed", session))
    assert meter("waiting", kind="orphan") == 1
    kinds = {"purchase", "event", "orphan", "failed_event"}
    assert {kind for kind in kinds if meter("waiting", kind=kind) is not None} == kinds


# The database in trouble, and how much it is asked.


def test_a_database_that_is_gone_leaves_the_rest_standing(
    new_metered: NewMetered, new_database: Callable[[str], str], meter: Meter
) -> None:
    host = new_metered(new_database("sqlite"))
    host.pay(host.add_purchase())
    assert meter("database_up") == 1
    with host.app.app_context():
        host.db.drop_all()
    assert meter("database_up") == 0
    assert meter("paid_not_granted", seen="recorded") is None
    assert meter("purchases_completed_total", by="webhook") == 1
    with host.app.app_context():
        host.db.create_all()
    assert meter("database_up") == 1


def test_a_database_that_hangs_is_waited_for_once_and_not_for_long(
    new_metered: NewMetered,
    postgres_database_url: str,
    meter: Meter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_gauges, "ANSWER_SECONDS", 3.0)
    with freezer(postgres_database_url) as (database, url):
        host = new_metered(url)
        assert meter("database_up") == 1
        database.flows.clear()
        started = time.monotonic()
        assert meter("database_up") == 0
        assert 2.9 < time.monotonic() - started < 30
        # The first question still hangs: nobody adds another.
        threads = threading.active_count()
        started = time.monotonic()
        for _ in range(20):
            assert meter("database_up") == 0
        assert time.monotonic() - started < 20
        assert threading.active_count() == threads
        database.flows.set()
        wait_until(lambda: meter("database_up") == 1)
        with host.app.app_context():
            host.db.engine.dispose()


def test_the_database_is_asked_at_most_once_in_ten_seconds(
    new_metered: NewMetered,
    new_database: Callable[[str], str],
    meter: Meter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_gauges, "FRESH_SECONDS", 10.0)
    host = new_metered(new_database("sqlite"))
    statements: list[str] = []
    with host.app.app_context():
        engine = host.db.engine
    sa.event.listen(engine, "before_cursor_execute", lambda c, u, sql, *_: statements.append(sql))
    for _ in range(5):
        assert meter("database_up") == 1
    once = len(statements)
    assert 5 < once < 15
    now = time.monotonic()
    monkeypatch.setattr(watch.time, "monotonic", lambda: now + 10.5)  # type: ignore[attr-defined]
    assert meter("database_up") == 1
    assert len(statements) == 2 * once


def test_registering_asks_no_database(meter: Meter, new_metered: NewMetered) -> None:
    new_metered("sqlite:////nowhere/at/all.sqlite", tables=False)
    assert gauges_of(meter.registry) is gauges_of(meter.registry)
    assert meter("database_up") == 0
