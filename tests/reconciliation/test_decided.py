"""What an operator has decided on isn't told again."""

from __future__ import annotations

from typing import Any

import pytest

from flask_stripe_credits.facts import Ruling
from flask_stripe_credits.review_queue import waiting
from flask_stripe_credits.reviews import accept, dismiss
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from .shoppers import assert_in_line, buy, buy_and_pay, change, kinds, lose_rows, run
from .test_sessions import open_another

OLIVIA = Ruling("olivia", "looked into it")


def decide_all(host: Host, decide: Any) -> None:
    with host.app.app_context():
        for one in list(waiting(host.state)):
            decide(host.state, one.id, OLIVIA)
        assert list(waiting(host.state)) == []


@pytest.fixture
def stranger(shop: Host, stripe: Sandbox) -> dict[str, Any]:
    """A purchase of which another session than its own was paid."""
    purchase = buy(shop)
    stripe.pay(open_another(shop, purchase))
    assert kinds(shop, "--apply") == ["stranger"]
    return purchase


def test_B07_a_dismissed_stranger(shop: Host, stripe: Sandbox, stranger: dict[str, Any]) -> None:
    decide_all(shop, dismiss)
    assert_in_line(shop)
    stripe.pay(stranger["stripe_checkout_session_id"])
    assert run(shop, "--apply").exit_code == 0
    assert shop.ledger() == [1000]


def test_B07_an_accepted_stranger(shop: Host, stripe: Sandbox, stranger: dict[str, Any]) -> None:
    decide_all(shop, accept)
    assert_in_line(shop)
    assert shop.ledger() == [1000]


def test_C25_a_dismissed_orphan(shop: Host, stripe: Sandbox) -> None:
    lose_rows(shop, buy_and_pay(shop, stripe))
    assert kinds(shop, "--apply") == ["orphan"]
    decide_all(shop, dismiss)
    assert_in_line(shop)
    assert shop.ledger() == []


@pytest.mark.parametrize("decide", [accept, dismiss])
def test_B10_a_purchase_at_another_price(shop: Host, stripe: Sandbox, decide: Any) -> None:
    purchase = buy(shop)
    change(shop, purchase, unit_amount=999)
    stripe.pay(purchase["stripe_checkout_session_id"])
    assert kinds(shop, "--apply") == ["contradiction"]
    decide_all(shop, decide)
    assert kinds(shop) == [], "also what was dismissed, whose payment is no fact of ours"
    assert_in_line(shop)
    assert shop.ledger() == ([1000] if decide is accept else [])
    assert shop.purchase(purchase["id"])["status"] == (
        "completed" if decide is accept else "failed"
    )


def test_B11_a_dismissed_refund_in_another_currency(shop: Host, stripe: Sandbox) -> None:
    purchase = buy_and_pay(shop, stripe)
    assert run(shop, "--apply").exit_code == 0
    row = shop.purchase(purchase["id"])
    refund = stripe.refund(row["stripe_payment_intent_id"], 100)
    with stripe.store.transaction():
        stripe.store.save(refund | {"currency": "eur"})
    assert kinds(shop, "--apply") == ["contradiction"]
    decide_all(shop, dismiss)
    assert_in_line(shop)
    assert shop.ledger() == [1000]
