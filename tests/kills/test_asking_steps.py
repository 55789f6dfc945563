"""C03: a process that dies while it asks Stripe, on the return page or for a charge's refunds."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from stripe import StripeClient

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..hosts import PREFIX, Host
from ..payloads import new_api_key
from ..stripe_stub import NewShop
from .histories import Document
from .load import pay
from .processes import ShopProcesses

ASKED = {"before Stripe", "after Stripe"}
BOOKED = {"INSERT credit_grants", "INSERT ledger_entry", "before COMMIT", "after COMMIT"}


@pytest.fixture
def selling(database_url: str, new_shop: NewShop) -> Host:
    """A host that sells through the sandbox, on both databases."""
    return new_shop(database_url)


class Buyer:
    """Somebody who ordered one package and paid it, of which we haven't heard yet."""

    def __init__(self, shop: ShopProcesses, stripe: Sandbox, name: str) -> None:
        self.shop, self.stripe, self.name = shop, stripe, name
        answer = shop.buy(name, keyed=False)
        assert answer is not None and answer[0] == 201, shop.log
        self.opened: dict[str, Any] = answer[1]
        self.paid = pay(stripe, self.opened["session_id"])

    def come_back(self) -> bool:
        path = f"{PREFIX}/purchases/{self.opened['purchase_id']}"
        answer = self.shop.get(path, {"X-User": self.name})
        return answer is not None and answer[0] == 200

    def refund(self) -> Document:
        """Have everything refunded at Stripe; return the event that doesn't say which refund."""
        session: dict[str, Any] = self.paid["data"]["object"]
        client = StripeClient(new_api_key(), base_addresses={"api": self.stripe.url})
        client.v1.refunds.create({"payment_intent": session["payment_intent"]})
        return next(
            event
            for event in self.stripe.events("charge.refunded")
            if event["data"]["object"]["payment_intent"] == session["payment_intent"]
        )


def test_C03_killed_at_every_step_of_the_return_page(
    selling: Host, stripe: Sandbox, tmp_path: Path
) -> None:
    with ShopProcesses(selling, tmp_path / "shop", trace=True, selling=True) as shop:
        shop.slots[0].weapon = signal.SIGKILL
        for name in ("first", "second"):
            buyer = Buyer(shop, stripe, name)
            shop.traced()
            assert buyer.come_back(), shop.log
        steps = shop.traced()
        assert set(steps) >= ASKED | BOOKED
        for place, step in enumerate(steps, 1):
            buyer = Buyer(shop, stripe, f"{place} {step}")
            shop.slots[0].fuse = place
            assert not buyer.come_back(), f"not killed at {place} {step}"
            assert buyer.come_back()
            assert selling.ledger(buyer.name) == [1000]
            shop.deliver_until_taken([buyer.paid])
            assert selling.ledger(buyer.name) == [1000]
        assert [death.step for death in shop.deaths] == steps
    assert_invariants(selling.app)


def test_C03_killed_at_every_step_of_asking_for_refunds(
    selling: Host, stripe: Sandbox, tmp_path: Path
) -> None:
    with ShopProcesses(selling, tmp_path / "shop", trace=True, selling=True) as shop:
        shop.slots[0].weapon = signal.SIGKILL

        def refunded(name: str) -> Document:
            buyer = Buyer(shop, stripe, name)
            shop.deliver_until_taken([buyer.paid])
            event = buyer.refund()
            shop.traced()
            return event

        for name in ("first", "second"):
            assert shop.deliver(refunded(name)) == 200, shop.log
        steps = shop.traced()
        assert set(steps) >= ASKED | BOOKED | {"INSERT credit_refunds"}
        for place, step in enumerate(steps, 1):
            name = f"{place} {step}"
            event = refunded(name)
            shop.slots[0].fuse = place
            assert shop.deliver(event) is None, f"not killed at {name}"
            shop.deliver_until_taken([event, event])
            assert sorted(selling.ledger(name)) == [-1000, 1000]
        assert [death.step for death in shop.deaths] == steps
    assert_invariants(selling.app)
