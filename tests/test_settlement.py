from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits import settlement
from flask_stripe_credits.errors import NoReceiver
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.settlement import ASK_AT_MOST_EVERY, settle_from_stripe

from .hosts import PREFIX, Host
from .payloads import checkout_session
from .stripe_stub import NewShop, StripeStub


def settle(host: Host, purchase: dict[str, Any]) -> bool:
    with host.app.app_context():
        return settle_from_stripe(host.state, purchase)


def again(host: Host, purchase: dict[str, Any]) -> bool:
    """Settle as if the last question was long ago."""
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(
            sa.update(host.credits.Purchase.__table__).values(stripe_checked_at=None)
        )
    return settle(host, host.purchase(purchase["id"]))


def buy(host: Host) -> dict[str, Any]:
    answer = host.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
    return host.purchase((answer.json or {})["purchase_id"])


def test_an_open_session_changes_nothing(shop: Host) -> None:
    purchase = buy(shop)
    assert settle(shop, purchase) is False
    unchanged = shop.purchase(purchase["id"]) | {"stripe_checked_at": None}
    assert unchanged == purchase


def test_only_what_is_not_settled_is_asked_about(new_shop: NewShop, stub: StripeStub) -> None:
    host = new_shop(STRIPE_CREDITS_API_BASE=stub.url)
    for status in ("completed", "failed", "expired", "refunded", "disputed", "review"):
        assert settle(host, host.add_purchase(status=status)) is False
    assert settle(host, host.add_purchase(stripe_checkout_session_id=None)) is False
    assert stub.requests == []
    for status in settlement.UNSETTLED:
        settle(host, host.add_purchase(status=status.value))
    assert len(stub.requests) == 2


def test_B01_an_unpaid_session_is_processing_until_the_money_is_there(
    new_shop: NewShop, stub: StripeStub
) -> None:
    host = new_shop(STRIPE_CREDITS_API_BASE=stub.url)
    purchase = host.add_purchase()
    stub.answer(checkout_session(purchase, payment_status="unpaid"))
    assert settle(host, purchase) is True
    assert (host.purchase(purchase["id"])["status"], host.ledger()) == ("processing", [])
    stub.answer(checkout_session(purchase))
    assert again(host, purchase) is True
    assert (host.purchase(purchase["id"])["status"], host.ledger()) == ("completed", [1000])
    assert again(host, purchase) is False
    assert host.ledger() == [1000]


def test_B07_an_answer_about_another_session_grants_nothing(
    new_shop: NewShop, stub: StripeStub
) -> None:
    """The answer names another, dearer purchase than the one that was asked about."""
    host = new_shop(STRIPE_CREDITS_API_BASE=stub.url)
    asked, dear = host.add_purchase(), host.add_purchase(amount_credits=50_000, unit_amount=35_000)
    stub.answer(checkout_session(dear, id=asked["stripe_checkout_session_id"]))
    settle(host, asked)
    assert host.ledger() == []
    assert host.purchase(dear["id"])["status"] == "pending"
    assert host.purchase(asked["id"])["status"] == "review"


def test_D08_an_answer_that_cannot_be_read_changes_nothing(
    new_shop: NewShop, stub: StripeStub, quick_retries: None
) -> None:
    host = new_shop(STRIPE_CREDITS_API_BASE=stub.url)
    purchase = host.add_purchase()
    for body in (b"", b"[]", b"null", b"<html>", b"{", b"{}", b"\xff", b'{"id": 1}'):
        stub.answer(body)
        assert again(host, purchase) is False
    assert host.purchase(purchase["id"])["status"] == "pending"


def test_stripe_is_asked_at_most_once_in_five_seconds_across_workers(
    database_url: str, new_shop: NewShop, stub: StripeStub
) -> None:
    hosts = [new_shop(database_url, STRIPE_CREDITS_API_BASE=stub.url) for _ in range(2)]
    purchase = hosts[0].add_purchase()
    stub.answer(checkout_session(purchase, status="open", payment_status="unpaid"))
    barrier = threading.Barrier(10)

    def poll(host: Host) -> None:
        barrier.wait()
        settle(host, purchase)

    threads = [threading.Thread(target=poll, args=(hosts[n % 2],)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dt.timedelta(seconds=5) == ASK_AT_MOST_EVERY
    assert len(stub.requests) == 1


def test_impatience_asks_once_and_not_for_long(
    shop: Host,
    stripe: Sandbox,
    new_shop: NewShop,
    stub: StripeStub,
    give_up_soon: Callable[[], None],
) -> None:
    purchase = buy(shop)
    stripe.faults.next("GET /v1/checkout/sessions/*", hang_seconds=60)
    give_up_soon()
    started = time.monotonic()
    assert settle(shop, purchase) is False
    assert time.monotonic() - started < 30
    host = new_shop(STRIPE_CREDITS_API_BASE=stub.url)
    stub.answer({"error": {"type": "api_error"}}, 500)
    assert settle(host, host.add_purchase()) is False
    assert len(stub.requests) == 1


def test_C19_credits_that_nobody_takes_are_an_error_and_not_kept(
    new_shop: NewShop, stripe: Sandbox
) -> None:
    host = new_shop(receiver=False)
    purchase = buy(host)
    stripe.pay(purchase["stripe_checkout_session_id"])
    with pytest.raises(NoReceiver):
        settle(host, purchase)
    assert host.purchase(purchase["id"])["status"] == "pending"
    host.credits.on_grant(
        lambda grant, session: session.add(
            host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits)
        )
    )
    assert again(host, purchase) is True
    assert host.ledger() == [1000]
