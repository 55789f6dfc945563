"""D01 to D03: Stripe fails in every way at random; each purchase is opened and granted once."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from flask_stripe_credits.sandbox import Sandbox

from ..figures import Figures, scaled
from ..hosts import PREFIX, Host
from ..payloads import event
from ..stripe_stub import CREATE, RETRIEVE

FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 429},
    {"status": 500},
    {"status": 503, "after_work": True},
    {"reset": True},
    {"reset": True, "after_work": True},
    # It answers after we gave up.
    {"hang_seconds": 0.9},
    {"hang_seconds": 0.9, "after_work": True},
)
MOST_CLICKS = 60


def _spoil(stripe: Sandbox, call: str, faults: list[dict[str, Any]]) -> None:
    for fault in faults:
        stripe.faults.next(call, **fault)


def _open(shop: Host, key: str) -> tuple[dict[str, Any], int]:
    """Click until there is a checkout; return it and how often Stripe's trouble was told."""
    for refused in range(MOST_CLICKS):
        answer = shop.client.post(
            f"{PREFIX}/purchase",
            json={"package_code": "starter"},
            headers={"Idempotency-Key": key},
        )
        if answer.status_code == 201:
            return answer.json or {}, refused
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) > 0
    raise AssertionError("never opened")


def _come_back(shop: Host, purchase_id: str) -> dict[str, Any]:
    """The buyer's page always answers, whatever Stripe does."""
    answer = shop.client.get(f"{PREFIX}/purchases/{purchase_id}")
    assert answer.status_code == 200
    return answer.json or {}


def _storm(shop: Host, stripe: Sandbox, purchases: int) -> int:
    """Buy, pay and come back, with Stripe failing all along; return how often it was told."""
    chance, refused = random.Random(purchases), 0
    for number in range(purchases):
        shop.user = f"user {number}"
        stripe.faults.clear()
        _spoil(stripe, CREATE, chance.choices(FAULTS, k=chance.randint(1, 4)))
        opened, times = _open(shop, f"order {number}")
        refused += times
        session = stripe.pay(opened["session_id"]).session
        _spoil(stripe, RETRIEVE, chance.choices(FAULTS, k=1))
        shown = _come_back(shop, opened["purchase_id"])
        assert shown["status"] in ("pending", "completed")
        assert shop.post_event(event("checkout.session.completed", session)).status_code == 200
        assert _come_back(shop, opened["purchase_id"])["status"] == "completed"
    return refused


def _assert_one_each(shop: Host, stripe: Sandbox, purchases: int) -> None:
    rows = shop.purchases()
    assert len(rows) == purchases
    paid = {
        session["client_reference_id"]
        for session in stripe.objects("checkout.session")
        if session["payment_status"] == "paid"
    }
    assert {str(row["id"]) for row in rows} <= paid
    for number in range(purchases):
        assert shop.ledger(f"user {number}") == [1000]
    shop.assert_exact()


def test_D01_D02_D03_every_purchase_is_opened_paid_and_granted_once(
    shop: Host, stripe: Sandbox, give_up_soon: Callable[[], None]
) -> None:
    give_up_soon()
    assert _storm(shop, stripe, 8) > 0
    _assert_one_each(shop, stripe, 8)


@pytest.mark.soak
def test_D01_D02_D03_hundreds_of_purchases_in_a_storm(
    shop: Host, stripe: Sandbox, give_up_soon: Callable[[], None], figures: Figures
) -> None:
    give_up_soon()
    purchases = scaled(300)
    refused = _storm(shop, stripe, purchases)
    _assert_one_each(shop, stripe, purchases)
    figures(sessions=purchases, lost=0, doubled=0, refused=refused)
