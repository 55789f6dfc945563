from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from ..payloads import event
from .shoppers import (
    DRIFT,
    SOMEBODY,
    assert_in_line,
    buy,
    buy_and_pay,
    change,
    everything,
    findings,
    make_older_at_stripe,
    on_sqlite,
    payment_of,
    plan,
    repair,
    run,
)

PENDING_REFUND_CARD = "4000000000007726"


@pytest.fixture
def bought(shop: Host, stripe: Sandbox) -> dict[str, Any]:
    """A purchase of ten dollars whose thousand credits were granted."""
    purchase = buy_and_pay(shop, stripe)
    repair(shop)
    return shop.purchase(purchase["id"])


def told(host: Host, *arguments: str) -> list[tuple[str, int]]:
    return [(finding["kind"], finding["credits"]) for finding in findings(host, *arguments)]


def test_A16_refunds_that_no_webhook_told_of_are_taken_back(
    shop: Host, stripe: Sandbox, bought: dict[str, Any]
) -> None:
    payment = payment_of(stripe, bought)
    ids = [stripe.refund(payment, amount)["id"] for amount in (300, 1)]
    before = everything(shop)
    result = run(shop)
    assert result.exit_code == DRIFT
    assert (
        f"refund: purchase {bought['id']} of alice: refund {ids[0]} of $3.00 is succeeded at "
        f"Stripe, it isn't recorded here: -300 credits"
    ) in result.output.splitlines()
    assert everything(shop) == before
    repair(shop)
    assert sorted(shop.ledger()) == [-300, -1, 1000]
    stripe.refund(payment)
    repair(shop)
    assert (shop.balance(), shop.purchase(bought["id"])["status"]) == (0, "refunded")
    grants = shop.grants()
    assert [grant["reason"] for grant in grants] == ["purchase", "refund", "refund", "refund"]
    assert all(grant["cause"].startswith("reconcile-") for grant in grants)


def test_B22_a_refund_that_failed_is_given_back(
    shop: Host, stripe: Sandbox, bought: dict[str, Any]
) -> None:
    refund = stripe.refund(payment_of(stripe, bought), 400)
    repair(shop)
    assert shop.balance() == 600
    stripe.settle_refund(refund["id"], "failed")
    assert told(shop) == [("refund", 400)]
    repair(shop)
    assert shop.ledger() == [1000, -400, 400]
    assert shop.grants()[-1]["reason"] == "refund_failed"


def test_a_pending_refund_is_asked_about_whatever_its_age(shop: Host, stripe: Sandbox) -> None:
    purchase = buy(shop)
    stripe.pay(purchase["stripe_checkout_session_id"], PENDING_REFUND_CARD)
    refund = stripe.refund(payment_of(stripe, purchase))
    assert refund["status"] == "pending"
    repair(shop)
    assert (shop.balance(), shop.purchase(purchase["id"])["status"]) == (0, "refunded")
    stripe.settle_refund(refund["id"], "failed")
    make_older_at_stripe(stripe, refund["id"], days=36)
    assert told(shop) == [("refund", 1000)]
    repair(shop)
    assert shop.balance() == 1000


def test_B26_disputes_take_credits_when_the_money_is_taken_and_give_them_back_when_won(
    shop: Host, stripe: Sandbox, bought: dict[str, Any]
) -> None:
    dispute = stripe.dispute(payment_of(stripe, bought), inquiry=True)["id"]
    assert told(shop) == [("dispute", 0)]
    repair(shop)
    assert shop.ledger() == [1000]
    stripe.escalate(dispute)
    assert told(shop) == [("dispute", -1000)]
    repair(shop)
    assert (shop.balance(), shop.purchase(bought["id"])["status"]) == (0, "disputed")
    stripe.close_dispute(dispute, "won")
    # A dispute takes months: it is asked about, although it is older than --since.
    make_older_at_stripe(stripe, dispute, days=100)
    assert told(shop) == [("dispute", 1000)]
    repair(shop)
    assert shop.ledger() == [1000, -1000, 1000]
    assert [grant["reason"] for grant in shop.grants()] == ["purchase", "dispute", "dispute_won"]
    assert_in_line(shop)


@pytest.mark.parametrize(("days", "ledger"), [(80, [1000, -1000, 1000]), (500, [1000, -1000])])
def test_B26_a_lost_dispute_that_is_won_on_appeal_is_found_for_a_year(
    shop: Host, stripe: Sandbox, bought: dict[str, Any], days: int, ledger: list[int]
) -> None:
    dispute = stripe.dispute(payment_of(stripe, bought))
    stripe.close_dispute(dispute["id"], "lost")
    repair(shop)
    assert shop.ledger() == [1000, -1000]
    make_older_at_stripe(stripe, dispute["id"], days=days)
    disputes: Any = shop.credits.Dispute.__table__
    with shop.app.app_context(), shop.db.engine.begin() as connection:
        lost_at = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
        connection.execute(sa.update(disputes).values(created_at=lost_at, updated_at=lost_at))
    stripe.close_dispute(dispute["id"], "won")
    run(shop, "--apply")
    assert shop.ledger() == ledger


def test_A09_what_went_back_before_the_payment_was_heard_of_is_never_granted(
    shop: Host, stripe: Sandbox
) -> None:
    part, all_back = buy_and_pay(shop, stripe), buy_and_pay(shop, stripe, "bob")
    stripe.refund(payment_of(stripe, part), 400)
    stripe.dispute(payment_of(stripe, all_back))
    assert sorted(told(shop)) == [("paid", 0), ("paid", 600)]
    repair(shop)
    assert (shop.ledger("alice"), shop.ledger("bob")) == ([600], [])
    assert shop.purchase(all_back["id"])["status"] == "disputed"


def test_a_refund_that_was_kept_before_its_payment_was_heard_of_counts_in_the_plan(
    shop: Host, stripe: Sandbox
) -> None:
    """The refund's webhook came, the payment's didn't; and the refund is older than --since."""
    purchase = buy_and_pay(shop, stripe)
    refund = stripe.refund(payment_of(stripe, purchase), 400)
    assert shop.post_event(event("refund.created", refund)).status_code == 200
    assert told(shop) == [("paid", 600)]
    make_older_at_stripe(stripe, refund["id"], days=36)
    assert told(shop) == [("paid", 600)]
    repair(shop)
    assert shop.ledger() == [600]


@on_sqlite
def test_B27_a_refund_and_a_dispute_of_one_payment_take_no_more_than_all(
    shop: Host, stripe: Sandbox, bought: dict[str, Any]
) -> None:
    payment = payment_of(stripe, bought)
    stripe.refund(payment, 700)
    stripe.dispute(payment)
    assert run(shop).exit_code == DRIFT
    repair(shop)
    assert (shop.balance(), len(shop.ledger())) == (0, 3)


@on_sqlite
def test_a_refund_in_another_currency_is_told_and_takes_nothing(
    shop: Host, stripe: Sandbox, bought: dict[str, Any]
) -> None:
    refund = stripe.refund(payment_of(stripe, bought))
    stripe.store.save({**refund, "currency": "eur"})
    assert plan(shop) == ["contradiction"]
    for _ in range(2):
        assert run(shop, "--apply").exit_code == SOMEBODY
    (noted,) = shop.rows(shop.credits.WebhookEvent)
    assert (noted["object_id"], noted["verdict"]) == (refund["id"], "review")
    assert shop.ledger() == [1000]
    assert shop.rows(shop.credits.Refund) == []


@on_sqlite
def test_a_refund_of_credits_that_nobody_paid_for_is_a_breach(
    shop: Host, stripe: Sandbox, bought: dict[str, Any]
) -> None:
    change(shop, bought, paid_at=None, amount_paid=None, status="pending")
    stripe.refund(payment_of(stripe, bought))
    before = everything(shop)
    assert told(shop, "--apply")[0] == ("breach", 0)
    assert shop.ledger() == [1000]
    assert everything(shop)["credit_refunds"] == before["credit_refunds"] == []
