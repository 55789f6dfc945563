"""Refunds and decisions over HTTP: what happens to the money, and who is said to have done it."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from ..reconciliation.shoppers import buy_and_pay
from ..refunds.buyers import REFUND, acts, amounts, deliver_all
from ..test_replays import told_by
from .conftest import Operator, sold_to


@pytest.fixture
def paid(operator: Operator, stripe: Sandbox) -> dict[str, Any]:
    return sold_to(operator.shop, stripe, "alice")


def refund(operator: Operator, purchase: dict[str, Any], **body: Any) -> Any:
    return operator.post(f"/purchases/{purchase['id']}/refund", **body)


def test_a_refund_gives_money_back_and_takes_credits_back_once(
    operator: Operator, stripe: Sandbox, paid: dict[str, Any]
) -> None:
    first = refund(operator, paid, reason="requested_by_customer")
    assert first.status_code == 201, first.text
    told = first.json
    assert (told["how"], told["amount"], told["currency"]) == ("made", 1000, "usd")
    assert (told["status"], told["credits_revoked"], told["actor"]) == ("refunded", 1000, "olivia")
    for body in ({}, {"reason": "requested_by_customer"}, {"amount": 1000}, {"amount": None}):
        again = refund(operator, paid, **body)
        assert (again.status_code, again.json["how"]) == (200, "made_before")
        assert again.json["refund_id"] == told["refund_id"]
    deliver_all(operator.shop, stripe, paid)
    assert amounts(stripe, paid) == [1000]
    assert operator.shop.ledger("alice") == [1000, -1000]
    assert acts(operator.shop, paid) == [("olivia", "refund.requested"), ("olivia", "refund.made")]
    operator.shop.assert_exact()


def test_parts_and_the_rest(operator: Operator, stripe: Sandbox, paid: dict[str, Any]) -> None:
    assert refund(operator, paid, amount=1).json["credits_revoked"] == 1
    assert refund(operator, paid, amount=1).status_code == 200
    assert refund(operator, paid).json["amount"] == 999
    assert amounts(stripe, paid) == [1, 999]
    assert operator.shop.ledger("alice") == [1000, -1, -999]
    operator.shop.assert_exact()


def test_an_answer_that_was_lost_is_found_again(
    operator: Operator, stripe: Sandbox, paid: dict[str, Any]
) -> None:
    """Stripe made the refund, and nobody heard of it; the same request goes on with it."""
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True, after_work=True)
    lost = refund(operator, paid)
    assert (lost.status_code, lost.json["code"]) == (503, "stripe_unavailable")
    assert "Retry-After" in lost.headers
    assert amounts(stripe, paid) == [1000]
    assert operator.shop.ledger("alice") == [1000]
    found = refund(operator, paid)
    assert found.status_code in (200, 201), found.text
    assert amounts(stripe, paid) == [1000]
    assert operator.shop.ledger("alice") == [1000, -1000]


def test_two_operators_at_once_refund_once(
    operator: Operator, stripe: Sandbox, paid: dict[str, Any]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: refund(operator, paid), range(4)))
    assert all(answer.status_code in (200, 201) for answer in answers), [
        answer.text for answer in answers
    ]
    assert len({answer.json["refund_id"] for answer in answers}) == 1
    assert amounts(stripe, paid) == [1000]
    assert operator.shop.ledger("alice") == [1000, -1000]


WRONG_REFUNDS: list[tuple[dict[str, Any], int]] = [
    ({"amount": 0}, 422),
    ({"amount": -5}, 422),
    ({"amount": 10.0}, 422),
    ({"amount": "10"}, 422),
    ({"amount": True}, 422),
    ({"amount": 2**53 + 1}, 422),
    ({"amount": 1001}, 409),
    ({"reason": ""}, 422),
    ({"reason": "two\nlines"}, 422),
    ({"reason": "a" * 501}, 422),
    ({"again": True}, 422),
    ({"actor": "somebody else"}, 422),
]


def test_what_cant_be_refunded_moves_nothing(small_operator: Operator, stripe: Sandbox) -> None:
    purchase = sold_to(small_operator.shop, stripe, "alice")
    for body, status in WRONG_REFUNDS:
        answer = refund(small_operator, purchase, **body)
        assert answer.status_code == status, (body, answer.text)
        assert answer.json["code"] == ("refund_refused" if status == 409 else "validation_failed")
    assert amounts(stripe, purchase) == []
    assert small_operator.shop.ledger() == [1000]


def test_the_refusal_says_what_is_left(small_operator: Operator, stripe: Sandbox) -> None:
    purchase = sold_to(small_operator.shop, stripe, "alice")
    answer = refund(small_operator, purchase, amount=1001)
    assert "$10.01 is more than the $10.00 that are left" in answer.json["detail"]
    unpaid = small_operator.shop.add_purchase()
    assert "isn't paid" in refund(small_operator, unpaid).json["detail"]
    for unknown in (uuid.uuid4(), "1", "%00"):
        assert small_operator.post(f"/purchases/{unknown}/refund").status_code == 404


def in_review(shop: Host) -> dict[str, Any]:
    purchase = shop.add_purchase()
    assert shop.pay(purchase, amount_subtotal=900, amount_total=900).status_code == 200
    assert shop.purchase(purchase["id"])["status"] == "review"
    return purchase


def test_what_waits_is_listed_and_dismissed_by_name(operator: Operator) -> None:
    purchase = in_review(operator.shop)
    (item,) = operator.get("/reviews")
    assert (item["kind"], item["id"]) == ("purchase", str(purchase["id"]))
    assert item["reason"] == "amount_subtotal is 900, expected 1000"
    answer = operator.post(f"/reviews/{item['id']}", decision="dismiss", reason="an old poster")
    assert answer.status_code == 200, answer.text
    assert answer.json == {
        "purchase_id": str(purchase["id"]),
        "status": "failed",
        "credits_posted": 0,
        "credits_never_delivered": 0,
        "refusal": None,
    }
    row = operator.shop.purchase(purchase["id"])
    assert (row["reviewed_by"], row["review_note"]) == ("olivia", "an old poster")
    assert operator.get("/reviews") == []
    assert operator.shop.ledger() == []
    again = operator.post(f"/reviews/{item['id']}", decision="accept", reason="or not")
    assert (again.status_code, again.json["code"]) == (409, "review_refused")
    assert operator.shop.ledger() == []


def test_accepting_grants_what_stripe_says_is_paid(operator: Operator, stripe: Sandbox) -> None:
    shop = operator.shop
    purchase = buy_and_pay(shop, stripe, "alice")
    shop.user = "olivia"
    table = shop.credits.Purchase.__table__
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        connection.execute(sa.update(table).values(unit_amount=999))
    shop.pay(shop.purchase(purchase["id"]), amount_subtotal=1000, amount_total=1000)
    (item,) = operator.get("/reviews")
    assert shop.ledger() == []
    answer = operator.post(f"/reviews/{item['id']}", decision="accept", reason="the old price")
    assert answer.status_code == 200, answer.text
    assert (answer.json["status"], answer.json["credits_posted"]) == ("completed", 1000)
    assert shop.ledger("alice") == [1000]
    shop.assert_exact()


def test_what_was_paid_twice_cant_be_accepted(operator: Operator, stripe: Sandbox) -> None:
    shop = operator.shop
    purchase = sold_to(shop, stripe, "alice")
    event = shop.paid_event(purchase)
    event["data"]["object"] |= {"id": "cs_test_of_a_lost_attempt", "payment_intent": "pi_lost"}
    shop.post_event(event)
    (item,) = operator.get("/reviews")
    assert item["kind"] == "event"
    refused = operator.post(f"/reviews/{item['id']}", decision="accept", reason="both paid")
    assert (refused.status_code, refused.json["code"]) == (502, "stripe_rejected"), refused.text
    done = operator.post(f"/reviews/{item['id']}", decision="dismiss", reason="refunded")
    assert done.status_code == 200, done.text
    assert shop.ledger() == [1000]
    shop.assert_exact()


def test_an_event_that_never_came_is_done_once(operator: Operator, stripe: Sandbox) -> None:
    shop = operator.shop
    purchase = buy_and_pay(shop, stripe, "alice")
    shop.user = "olivia"
    told = told_by(stripe, purchase, "checkout.session.completed")
    assert shop.ledger() == []
    for credits in (1000, 0, 0):
        answer = operator.post(f"/events/{told['id']}/replay")
        assert answer.status_code == 200, answer.text
        assert (answer.json["verdict"], answer.json["credits"]) == ("handled", credits)
    assert shop.ledger("alice") == [1000]
    lines = shop.rows(shop.credits.AuditLog, action="event.replayed")
    assert {line["actor"] for line in lines} == {"olivia"}
    shop.assert_exact()


def test_what_cant_be_replayed_says_why(operator: Operator) -> None:
    for event_id in ("evt_unknown", "nonsense", "a b", "%00", "é", "e" * 300):
        answer = operator.post(f"/events/{event_id}/replay")
        assert (answer.status_code, answer.json["code"]) == (409, "replay_refused"), event_id
        assert answer.json["detail"]
    assert operator.post("/events/evt_unknown/replay", actor="somebody").status_code == 422


WRONG_DECISIONS: list[dict[str, Any]] = [
    {},
    {"decision": "accept"},
    {"reason": "why"},
    {"decision": "maybe", "reason": "why"},
    {"decision": "dismiss", "reason": " "},
    {"decision": "dismiss", "reason": "a\0b"},
    {"decision": "dismiss", "reason": 5},
    {"decision": "dismiss", "reason": "why", "by": "somebody else"},
]


def test_a_decision_needs_a_reason_and_nothing_else(small_operator: Operator) -> None:
    purchase = in_review(small_operator.shop)
    for body in WRONG_DECISIONS:
        answer = small_operator.post(f"/reviews/{purchase['id']}", **body)
        assert answer.status_code == 422, body
    assert small_operator.shop.purchase(purchase["id"])["status"] == "review"


def test_what_does_not_wait_cant_be_decided_on(operator: Operator) -> None:
    for target in (str(uuid.uuid4()), "evt_unknown", str(operator.shop.add_purchase()["id"])):
        answer = operator.post(f"/reviews/{target}", decision="dismiss", reason="why")
        assert (answer.status_code, answer.json["code"]) == (409, "review_refused"), target
    for target in ("%00", "a b", "é", "a" * 256):
        assert (
            operator.post(f"/reviews/{target}", decision="dismiss", reason="x").status_code == 404
        )
