"""Grants and audit log together explain every status: a line that is gone is missed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.audit import Audit
from flask_stripe_credits.facts import Ruling
from flask_stripe_credits.reviews import dismiss
from flask_stripe_credits.sandbox import Sandbox

from .hosts import Host
from .payloads import dispute, event, refund
from .refunds.buyers import give_back, sold

Row = dict[str, Any]
LONG_BEFORE = dt.timedelta(hours=1)


def gaps(host: Host) -> list[str]:
    with host.app.app_context():
        found = list(Audit(host.state).breaches())
    assert {breach.rule for breach in found} <= {"log"}
    return [breach.problem for breach in found]


def lines(host: Host, purchase: Row) -> list[Row]:
    found = host.rows(host.credits.AuditLog, purchase_id=purchase["id"])
    return sorted(found, key=lambda line: line["id"])


def without(host: Host, line: Row) -> list[str]:
    """What is missed while this line is gone."""
    table = host.credits.AuditLog.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.delete(table).where(table.c.id == line["id"]))
    found = gaps(host)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.insert(table), line)
    return found


def of(host: Host, purchase: Row, **values: Any) -> None:
    table = host.credits.Purchase.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.id == purchase["id"]).values(**values))


def expired(host: Host) -> Row:
    purchase = host.add_purchase()
    told = host.paid_event(purchase, payment_status="unpaid", status="expired")
    host.post_event(told | {"type": "checkout.session.expired"})
    return purchase


def failed(host: Host) -> Row:
    purchase = processing(host)
    told = host.paid_event(purchase, payment_status="unpaid")
    host.post_event(told | {"type": "checkout.session.async_payment_failed"})
    of(host, purchase, session_completed_at=dt.datetime.now(dt.UTC) - LONG_BEFORE)
    return purchase


def processing(host: Host) -> Row:
    purchase = host.add_purchase()
    host.pay(purchase, payment_status="unpaid")
    return purchase


def paid_days_later(host: Host) -> Row:
    purchase = processing(host)
    of(host, purchase, session_completed_at=dt.datetime.now(dt.UTC) - LONG_BEFORE)
    told = host.paid_event(purchase)
    host.post_event(told | {"type": "checkout.session.async_payment_succeeded"})
    return purchase


def in_review(host: Host) -> Row:
    purchase = host.add_purchase()
    host.pay(purchase, amount_subtotal=1)
    return purchase


def dismissed(host: Host) -> Row:
    purchase = in_review(host)
    with host.app.app_context():
        dismiss(host.state, str(purchase["id"]), Ruling("olivia", "refunded"))
    return purchase


def refunded_before_it_was_paid(host: Host) -> Row:
    purchase = host.add_purchase()
    paid = host.paid_event(purchase)
    intent = paid["data"]["object"]["payment_intent"]
    host.post_event(event("refund.created", refund(intent, 1000)))
    host.post_event(paid)
    return purchase


HISTORIES: dict[str, tuple[Callable[[Host], Row], list[str]]] = {
    "expired": (expired, ["purchase.expired"]),
    "failed": (failed, ["purchase.processing", "purchase.failed"]),
    "processing": (processing, ["purchase.processing"]),
    "paid days later": (paid_days_later, ["purchase.processing"]),
    "in review": (in_review, ["purchase.review"]),
    "dismissed": (dismissed, ["purchase.review", "purchase.failed", "purchase.dismissed"]),
    "refunded first": (refunded_before_it_was_paid, ["purchase.refunded"]),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_G07_every_line_that_is_gone_is_missed(host: Host, name: str) -> None:
    happen, actions = HISTORIES[name]
    purchase = happen(host)
    assert gaps(host) == []
    written = lines(host, purchase)
    assert sorted(line["action"] for line in written) == sorted(actions)
    for line in written:
        assert without(host, line), line["action"]
    assert gaps(host) == []


def test_what_grants_record_needs_no_line(host: Host) -> None:
    purchase = host.add_purchase()
    host.pay(purchase)
    intent = host.purchase(purchase["id"])["stripe_payment_intent_id"]
    made, taken = refund(intent, 1000), dispute(intent, 1000)
    for document in (
        event("refund.created", made),
        event("refund.failed", made | {"status": "failed"}),
        event("charge.dispute.created", taken),
        event("charge.dispute.funds_reinstated", taken | {"status": "won"}),
    ):
        host.post_event(document)
    assert (len(host.grants()), lines(host, purchase), gaps(host)) == (5, [], [])


def test_a_refund_that_nobody_asked_for_is_missed(shop: Host, stripe: Sandbox) -> None:
    purchase = sold(shop, stripe)
    give_back(shop, purchase, 400)
    assert gaps(shop) == []
    asked, told = lines(shop, purchase)
    assert (asked["action"], told["action"]) == ("refund.requested", "refund.made")
    (problem,) = without(shop, asked)
    assert problem.startswith("olivia asked for refund ")


def test_a_status_written_by_hand_and_computed_again_is_explained(host: Host) -> None:
    """The line that the repair writes begins where somebody had put it."""
    purchase = host.add_purchase()
    line = {
        "created_at": dt.datetime.now(dt.UTC),
        "actor": "stripe",
        "action": "purchase.pending",
        "purchase_id": purchase["id"],
        "details": {"from": "failed", "to": "pending", "cause": "reconcile 2026-11-24"},
    }
    table = host.credits.AuditLog.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.insert(table), line)
    assert gaps(host) == []
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).values(details=line["details"] | {"cause": "evt_1"}))
    assert gaps(host) == ["nothing says how it came from pending to failed"]
