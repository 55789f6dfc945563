"""What the tests of refunds have in common: a paid purchase, and what went back of it."""

from __future__ import annotations

from typing import Any

from flask_stripe_credits.refunds import RefundOutcome, refund_purchase
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host
from ..reconciliation.shoppers import buy_and_pay

Row = dict[str, Any]
REFUND = "POST /v1/refunds"


def sold(shop: Host, stripe: Sandbox, user: str = "alice", code: str = "starter") -> Row:
    """A purchase that is paid, and whose credits were granted when its buyer came back."""
    purchase = buy_and_pay(shop, stripe, user, code)
    answer = shop.client.get(f"{PREFIX}/purchases/{purchase['id']}")
    assert (answer.json or {})["status"] == "completed"
    return shop.purchase(purchase["id"])


def give_back(
    shop: Host, purchase: Row, amount: int | None = None, **options: Any
) -> RefundOutcome:
    options = {"reason": None, "actor": "olivia"} | options
    with shop.app.app_context():
        return refund_purchase(shop.state, purchase["id"], amount=amount, **options)


def at_stripe(stripe: Sandbox, purchase: Row) -> list[Row]:
    """The refunds that Stripe made of a purchase, the oldest first."""
    payment = purchase["stripe_payment_intent_id"]
    found = [one for one in stripe.objects("refund") if one["payment_intent"] == payment]
    return sorted(found, key=lambda one: one["created"])


def amounts(stripe: Sandbox, purchase: Row) -> list[int]:
    return [one["amount"] for one in at_stripe(stripe, purchase)]


def requests_for(shop: Host, purchase: Row) -> list[Row]:
    return shop.rows(shop.state.models.RefundRequest, purchase_id=purchase["id"])


def acts(shop: Host, purchase: Row) -> list[tuple[str, str]]:
    """What the audit log says of refunds of a purchase: who did what."""
    lines = shop.rows(shop.credits.AuditLog, purchase_id=purchase["id"])
    return [
        (line["actor"], line["action"])
        for line in sorted(lines, key=lambda line: line["id"])
        if line["action"].startswith("refund.")
    ]


def deliver_all(shop: Host, stripe: Sandbox, purchase: Row) -> None:
    """Deliver every event about the purchase's payment, twice."""
    payment = purchase["stripe_payment_intent_id"]
    for _ in range(2):
        for event in stripe.events():
            about = event["data"]["object"]
            if payment in (about.get("payment_intent"), about.get("id")):
                assert shop.post_event(event).status_code == 200
