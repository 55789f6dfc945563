from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.doctor import Level
from flask_stripe_credits.errors import GatewayUnavailable, RefundRefused
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host, make_host
from ..payloads import checkout_session, event
from ..refunds.buyers import REFUND, give_back, sold
from .conftest import stamped
from .examined import only

CHECKS = (
    "last_webhook",
    "paid_not_granted",
    "undelivered",
    "failed_events",
    "open_refunds",
    "reviews",
)
TEN_MINUTES = dt.timedelta(minutes=10)


@pytest.fixture
def shop(host: Host) -> Host:
    return stamped(host)


def change(host: Host, model: Any, **values: Any) -> None:
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(model.__table__).values(values))


def earlier() -> dt.datetime:
    return dt.datetime.now(dt.UTC) - TEN_MINUTES


def test_nothing_waits_in_an_empty_shop_nor_after_a_sale(shop: Host) -> None:
    for _ in range(2):
        assert {only(shop, id).level for id in CHECKS} == {Level.OK}
        assert shop.pay(shop.add_purchase()).status_code == 200
    assert only(shop, "last_webhook").found == "the last successful one: a moment ago"


def test_a_payment_that_no_webhook_told_of(shop: Host) -> None:
    shop.pay(shop.add_purchase())
    change(shop, shop.credits.WebhookEvent, received_at=earlier() - TEN_MINUTES)
    shop.add_purchase(status="completed", paid_at=earlier(), amount_paid=1000)
    found = only(shop, "last_webhook")
    assert found.level is Level.ERROR
    assert found.found == (
        "the last successful webhook: 20 minutes ago; a payment of 10 minutes ago became known in "
        "another way"
    )
    # A webhook since then shows that they come again.
    shop.pay(shop.add_purchase())
    assert only(shop, "last_webhook").level is Level.OK


def test_a_purchase_that_is_paid_and_has_no_credits(shop: Host) -> None:
    shop.pay(shop.add_purchase())
    change(shop, shop.credits.Purchase, paid_at=earlier())
    shop.add_purchase(status="completed", paid_at=dt.datetime.now(dt.UTC), amount_paid=1000)
    assert only(shop, "paid_not_granted").level is Level.OK
    late = shop.add_purchase(status="completed", paid_at=earlier(), amount_paid=1000)
    found = only(shop, "paid_not_granted")
    assert (found.level, found.command) == (Level.ERROR, "flask credits reconcile --apply")
    assert found.found == (
        f"1 purchases are paid for more than 5 minutes, without credits: {late['id']}"
    )


def test_grants_that_nobody_delivers(database_url: str) -> None:
    shop = stamped(make_host(database_url, STRIPE_CREDITS_DELIVERY="outbox"))

    shop.pay(shop.add_purchase())
    assert only(shop, "undelivered").level is Level.OK
    change(shop, shop.credits.Grant, delivered_at=None)
    assert only(shop, "undelivered").level is Level.OK
    change(shop, shop.credits.Grant, created_at=earlier())
    found = only(shop, "undelivered")
    assert (found.level, found.command) == (Level.ERROR, "flask credits deliver")
    assert found.found == "1 grants have waited for more than 5 minutes to be delivered"
    assert found.advice == "keep `flask credits deliver --watch` running"
    change(shop, shop.credits.Grant, attempts=3, last_error="ValueError")
    assert only(shop, "undelivered").found.endswith("; tried 3 times, last error ValueError")
    # What waits for a decision is counted there.
    change(shop, shop.credits.Purchase, review_decision="dismissed")
    assert only(shop, "undelivered").level is Level.OK


def test_events_that_failed(shop: Host) -> None:
    shop.pay(shop.add_purchase())
    change(shop, shop.credits.WebhookEvent, verdict="failed")
    assert only(shop, "failed_events").level is Level.OK
    change(shop, shop.credits.WebhookEvent, received_at=earlier())
    found = only(shop, "failed_events")
    assert found.level is Level.ERROR
    assert found.command == "flask credits replay --failed"
    (row,) = shop.rows(shop.credits.WebhookEvent)
    assert found.found.endswith(f": {row['stripe_event_id']}")


def test_what_waits_for_a_decision(shop: Host) -> None:
    purchase = shop.add_purchase()
    session = checkout_session(purchase, amount_total=1, amount_subtotal=1)
    assert shop.post_event(event("checkout.session.completed", session)).status_code == 200
    found = only(shop, "reviews")
    assert (found.level, found.command) == (Level.WARNING, "flask credits review list")
    assert found.found == "waiting for a decision: 1 of the kind purchase"


def test_a_refund_whose_answer_was_lost_is_gone_on_with(small_shop: Host, stripe: Sandbox) -> None:
    shop = stamped(small_shop)
    purchase = sold(shop, stripe)
    for _ in range(3):
        stripe.faults.next(REFUND, reset=True)
    with pytest.raises(GatewayUnavailable):
        give_back(shop, purchase, 400)
    assert only(shop, "open_refunds").level is Level.OK
    change(shop, shop.credits.RefundRequest, created_at=earlier())
    found = only(shop, "open_refunds")
    assert found.level is Level.ERROR
    assert found.found == f"nobody knows whether $4.00 of purchase {purchase['id']} went back"
    assert found.command == f"flask credits refund {purchase['id']} --amount 4.00"
    result = shop.app.test_cli_runner().invoke(args=found.command.split()[1:])
    assert result.exit_code == 0, result.output
    assert only(shop, "open_refunds").level is Level.OK
    assert shop.ledger() == [1000, -400]


def test_a_refund_that_stripe_refused_has_ended(small_shop: Host, stripe: Sandbox) -> None:
    shop = stamped(small_shop)
    purchase = sold(shop, stripe)
    stripe.faults.next(REFUND, status=400)
    with pytest.raises(RefundRefused):
        give_back(shop, purchase, 400)
    change(shop, shop.credits.RefundRequest, created_at=earlier())
    assert len(shop.rows(shop.credits.RefundRequest)) == 1
    assert only(shop, "open_refunds").level is Level.OK


def test_commands_say_that_live_data_is_meant(sqlite_url: str) -> None:
    host = make_host(sqlite_url, STRIPE_SECRET_KEY="sk_live_" + "0f" * 12)
    shop = stamped(host)
    shop.add_purchase(status="completed", paid_at=earlier(), amount_paid=1000, livemode=True)
    assert only(shop, "paid_not_granted").command == "flask credits reconcile --apply --live"
