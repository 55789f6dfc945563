"""Opening, paying and asking about one checkout at the same instant."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.facts import SessionNews, record_session
from flask_stripe_credits.fulfillment import settle
from flask_stripe_credits.sandbox import Sandbox

from ..figures import Figures, scaled
from ..hosts import PREFIX, Host
from ..parallel import in_parallel
from ..payloads import event
from ..stripe_stub import CREATE, NewShop
from .meetings import OF_CHECKOUTS, meeting
from .mutants import mutate, no_buyer_lock, no_payment_lock, no_purchase_lock


def _buy(shop: Host, key: str | None = None) -> int:
    headers = {} if key is None else {"Idempotency-Key": key}
    path = f"{PREFIX}/purchase"
    return shop.client.post(path, json={"package_code": "starter"}, headers=headers).status_code


def _three_clicks(shop: Host) -> list[int]:
    with meeting(shop, 3, before=OF_CHECKOUTS):
        return in_parallel([lambda: _buy(shop)] * 3)


def test_D09_three_clicks_at_once_open_one_checkout(shop: Host) -> None:
    for user in ("alice", "bob", "carol"):
        shop.user = user
        assert set(_three_clicks(shop)) <= {200, 201}
        assert len(shop.purchases(user_id=user)) == 1


def test_D09_D11_the_race_sees_that_the_buyer_isnt_locked(
    postgres_database_url: str, new_shop: NewShop, quick_retries: None, patient: None
) -> None:
    shop = new_shop(postgres_database_url)
    mutate(shop, no_buyer_lock)
    _three_clicks(shop)
    assert len(shop.purchases()) == 3


# A purchase that was paid is told of by the webhook, by the buyer's return and by reconciliation.


def _paid_at_stripe(shop: Host, stripe: Sandbox, user: str) -> dict[str, Any]:
    shop.user = user
    assert _buy(shop) == 201
    (purchase,) = shop.purchases(user_id=user)
    stripe.pay(purchase["stripe_checkout_session_id"])
    return purchase


def _told_at_once(shop: Host, stripe: Sandbox, purchase: dict[str, Any]) -> list[int]:
    """The statuses of the webhook's and the page's answers, while reconciliation records it too."""
    session_id = purchase["stripe_checkout_session_id"]
    document = event("checkout.session.completed", stripe.session(session_id))

    def come_back() -> int:
        return shop.client.get(f"{PREFIX}/purchases/{purchase['id']}").status_code

    def reconcile() -> int:
        with shop.app.app_context():
            session = shop.state.gateway.retrieve_checkout_session(session_id)
            settle(
                shop.state,
                lambda uow: record_session(uow, session, SessionNews.COMPLETED),
                cause="reconcile",
            )
        return 200

    with meeting(shop, 3):
        return in_parallel([lambda: shop.post_event(document).status_code, come_back, reconcile])


def _race_of_entrances(shop: Host, stripe: Sandbox, times: int) -> None:
    for number in range(times):
        purchase = _paid_at_stripe(shop, stripe, f"user {number}")
        assert _told_at_once(shop, stripe, purchase) == [200] * 3
        assert shop.ledger(f"user {number}") == [1000]
        assert shop.purchase(purchase["id"])["status"] == "completed"


def test_A17_webhook_return_page_and_reconciliation_at_once(shop: Host, stripe: Sandbox) -> None:
    _race_of_entrances(shop, stripe, 5)


@pytest.mark.soak
def test_A17_webhook_return_page_and_reconciliation_at_once_200_times(
    shop: Host, stripe: Sandbox, figures: Figures
) -> None:
    times = scaled(200)
    _race_of_entrances(shop, stripe, times)
    figures(sessions=times, deliveries=3 * times, lost=0, doubled=0)


def test_A17_the_race_sees_that_nothing_is_locked(
    postgres_database_url: str, new_shop: NewShop, stripe: Sandbox, patient: None
) -> None:
    """The unique key keeps two of three from granting too: an alarm, where there was none."""
    shop = new_shop(postgres_database_url)
    mutate(shop, no_purchase_lock)
    mutate(shop, no_payment_lock)
    purchase = _paid_at_stripe(shop, stripe, "alice")
    with pytest.raises((AssertionError, sa.exc.IntegrityError)):
        assert _told_at_once(shop, stripe, purchase) == [200] * 3
    assert shop.ledger() == [1000]


# Stripe tells of the payment while it hasn't answered the request that opened the checkout.


def _tell_while_it_waits(shop: Host, stripe: Sandbox) -> list[int]:
    """Open a checkout that is paid before the answer is sent; the statuses of both answers."""
    statuses: list[int] = []
    told = threading.Event()

    def tell(document: Any) -> None:
        statuses.append(shop.post_event(document).status_code)
        told.set()

    def pay(session: Any) -> None:
        document = event("checkout.session.completed", stripe.pay(session["id"]).session)
        threading.Thread(target=tell, args=(document,)).start()

    stripe.faults.next(CREATE, before_reply=pay)
    opened = _buy(shop)
    assert told.wait(30)
    return [opened, *statuses]


def _race_with_the_answer(shop: Host, stripe: Sandbox, times: int) -> None:
    for number in range(times):
        shop.user = f"user {number}"
        assert _tell_while_it_waits(shop, stripe) == [201, 200]
        (row,) = shop.purchases(user_id=shop.user)
        assert (row["status"], row["checkout_url"] is not None) == ("completed", True)
        assert shop.ledger(f"user {number}") == [1000]


def test_A11_the_webhook_while_the_answer_is_on_its_way(shop: Host, stripe: Sandbox) -> None:
    _race_with_the_answer(shop, stripe, 8)


@pytest.mark.soak
def test_A11_the_webhook_while_the_answer_is_on_its_way_300_times(
    shop: Host, stripe: Sandbox, figures: Figures
) -> None:
    times = scaled(300)
    _race_with_the_answer(shop, stripe, times)
    figures(sessions=times, deliveries=times, lost=0, doubled=0)
