from __future__ import annotations

import json
import uuid

import pytest
import sqlalchemy as sa

from flask_stripe_credits.errors import GatewayUnavailable
from flask_stripe_credits.reading import reading
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.timeline import Entry, timeline_of

from .hosts import Host, make_host
from .payloads import dispute, event, refund
from .reconciliation.shoppers import on_sqlite
from .refunds.buyers import REFUND, give_back, sold


def timeline(host: Host, purchase_id: uuid.UUID) -> list[Entry]:
    with host.app.app_context(), reading(host.state) as connection:
        return timeline_of(connection, host.state.models, purchase_id)


def told(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.kind, entry.title) for entry in entries]


def test_an_unknown_purchase_has_no_timeline(host: Host) -> None:
    host.add_purchase()
    assert timeline(host, uuid.uuid4()) == []


def test_a_purchase_from_its_making_to_its_refund(host: Host) -> None:
    purchase = host.add_purchase()
    other = host.add_purchase(user_id="bob")
    host.pay(purchase)
    host.pay(other)
    intent = host.purchase(purchase["id"])["stripe_payment_intent_id"]
    made = refund(intent, 250)
    host.post_event(event("refund.created", made))
    host.post_event(event("refund.failed", {**made, "status": "failed"}))
    entries = timeline(host, purchase["id"])
    assert told(entries) == [
        ("created", "alice wants 1,000 credits for $10.00"),
        ("event", "checkout.session.completed: handled"),
        ("session", "the buyer went through the checkout and paid: $10.00"),
        ("grant", "grant 1: +1,000 credits (purchase)"),
        ("delivery", "purchase_completed told the credit manager of +1,000 credits"),
        ("event", "refund.created: handled"),
        ("refund", f"refund {made['id']} of $2.50"),
        ("grant", "grant 2: -250 credits (refund)"),
        ("delivery", "purchase_reversed told the credit manager of -250 credits"),
        ("event", "refund.failed: handled"),
        ("refund", f"refund {made['id']} of $2.50 is now failed"),
        ("grant", "grant 3: +250 credits (refund_failed)"),
        ("delivery", "purchase_restored told the credit manager of +250 credits"),
    ]
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    host.assert_exact()


def test_what_no_grant_records_is_told_by_the_audit_log(host: Host) -> None:
    purchase = host.add_purchase()
    host.pay(purchase, amount_subtotal=900)
    entry = timeline(host, purchase["id"])[-1]
    assert (entry.kind, entry.actor) == ("log", "stripe")
    assert entry.title == "purchase.review: amount_subtotal is 900, expected 1000"
    assert entry.details["to"] == "review"


@on_sqlite
def test_a_dispute_and_a_yen_purchase_are_told_in_their_currency(host: Host) -> None:
    purchase = host.add_purchase(currency="jpy", unit_amount=1500)
    host.pay(purchase)
    intent = host.purchase(purchase["id"])["stripe_payment_intent_id"]
    document = dispute(intent, 1500, currency="jpy")
    host.post_event(event("charge.dispute.created", document))
    titles = [entry.title for entry in timeline(host, purchase["id"])]
    assert titles[0] == "alice wants 1,000 credits for ¥1,500"
    assert f"dispute {document['id']} of ¥1,500: needs_response" in titles


@on_sqlite
def test_an_undelivered_grant_says_why(database_url: str) -> None:
    def refuse_for_now() -> None:
        raise RuntimeError("the credit service is down")

    host = make_host(database_url, receiver=refuse_for_now, STRIPE_CREDITS_DELIVERY="outbox")
    purchase = host.add_purchase()
    host.pay(purchase).close()
    entry = timeline(host, purchase["id"])[-1]
    assert entry.title == "grant 1: +1,000 credits (purchase), not delivered yet"
    assert (entry.details["attempts"], entry.details["last_error"]) == (1, "RuntimeError")


def test_the_details_are_plain_json_and_statements_dont_grow_with_what_happened(
    host: Host,
) -> None:
    purchase = host.add_purchase()
    host.pay(purchase)
    intent = host.purchase(purchase["id"])["stripe_payment_intent_id"]
    for _ in range(3):
        host.post_event(event("refund.created", refund(intent, 100)))
    statements: list[str] = []
    with host.app.app_context():
        sa.event.listen(
            host.db.engine,
            "before_cursor_execute",
            lambda *arguments: statements.append(arguments[2]),
        )
    entries = timeline(host, purchase["id"])
    assert len([one for one in statements if one.startswith("SELECT")]) == 7
    for entry in entries:
        json.dumps(dict(entry.details))
    assert len([entry for entry in entries if entry.kind == "grant"]) == 4


@on_sqlite
def test_a_refund_that_was_asked_for_is_told_once_with_its_reason(
    shop: Host, stripe: Sandbox
) -> None:
    purchase = sold(shop, stripe)
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True)
    with pytest.raises(GatewayUnavailable):
        give_back(shop, purchase, 250, reason="they called")
    asked = "a refund of $2.50 was asked for (they called)"
    lost = timeline(shop, purchase["id"])[-1]
    assert (lost.kind, lost.title, lost.actor) == (
        "request",
        f"{asked}, and isn't known to have been made",
        "olivia",
    )
    made = give_back(shop, purchase, 250, actor="pete")
    later = [entry for entry in timeline(shop, purchase["id"]) if entry.kind != "event"][4:]
    assert [(entry.kind, entry.title, entry.actor) for entry in later[:3]] == [
        ("request", asked, "olivia"),
        ("log", "refund.resumed", "pete"),
        ("refund", f"refund {made.refund_id} of $2.50: succeeded", "stripe"),
    ]
