from __future__ import annotations

import threading
from typing import Any

import pytest

from flask_stripe_credits import fulfillment
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host
from ..parallel import in_parallel
from ..payloads import event
from .shoppers import CLEAN, assert_in_line, buy_and_pay, payment_of, run

PURCHASES = 12
LONGEST_WAIT_SECONDS = 0.3


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two who are about to record something wait for each other, if nothing keeps them."""
    barrier = threading.Barrier(2)
    settle = fulfillment.in_transaction

    def wait_and_settle(*arguments: Any) -> Any:
        try:
            barrier.wait(LONGEST_WAIT_SECONDS)
        except threading.BrokenBarrierError:
            barrier.reset()
        return settle(*arguments)

    monkeypatch.setattr(fulfillment, "in_transaction", wait_and_settle)


def deliver(host: Host, documents: list[dict[str, Any]]) -> set[int]:
    return {host.post_event(document).status_code for document in documents}


def settle_rest(host: Host) -> None:
    """What the database gave up on is done by the next run, as by Stripe's next delivery."""
    assert run(host, "--apply").exit_code == CLEAN
    assert_in_line(host)
    assert_invariants(host.app)


def test_A17_beside_webhooks_and_another_run_everything_is_granted_once(
    shop: Host, stripe: Sandbox, meeting: None
) -> None:
    purchases = [buy_and_pay(shop, stripe, f"user {number}") for number in range(PURCHASES)]
    documents = [
        event("checkout.session.completed", stripe.session(purchase["stripe_checkout_session_id"]))
        for purchase in purchases
    ]
    # The list is read newest first: the webhooks come that way, and the other way.
    in_parallel(
        [
            lambda: run(shop, "--apply").exit_code,
            lambda: run(shop, "--apply").exit_code,
            lambda: deliver(shop, documents[::-1]),
            lambda: deliver(shop, documents),
        ]
    )
    settle_rest(shop)
    assert shop.ledger() == [1000] * PURCHASES
    assert {row["user_id"] for row in shop.rows(shop.LedgerEntry)} == {
        purchase["user_id"] for purchase in purchases
    }


def test_A17_beside_webhooks_refunds_and_disputes_are_taken_back_once(
    shop: Host, stripe: Sandbox, meeting: None
) -> None:
    documents = []
    for number in range(PURCHASES):
        purchase = buy_and_pay(shop, stripe, f"user {number}")
        payment = payment_of(stripe, purchase)
        session = stripe.session(purchase["stripe_checkout_session_id"])
        refund, dispute = stripe.refund(payment, 300), stripe.dispute(payment, 200)
        documents += [
            event("charge.dispute.funds_withdrawn", dispute),
            event("refund.created", refund),
            event("checkout.session.completed", session),
        ]
    in_parallel(
        [
            lambda: run(shop, "--apply").exit_code,
            lambda: run(shop, "--apply").exit_code,
            lambda: deliver(shop, documents[::-1]),
            lambda: deliver(shop, documents),
        ]
    )
    settle_rest(shop)
    assert {shop.balance(f"user {number}") for number in range(PURCHASES)} == {500}
