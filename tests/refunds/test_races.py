"""Two operators, or the webhook, at the same moment: never two refunds by accident."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from queue import Queue
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.errors import GatewayError, RefundRefused
from flask_stripe_credits.refunds import Refunded
from flask_stripe_credits.sandbox import Sandbox

from ..concurrency.meetings import meeting
from ..concurrency.mutants import mutate, no_payment_lock, no_purchase_lock
from ..hosts import Host
from ..parallel import LONGEST_WAIT_SECONDS, in_parallel
from ..payloads import event
from ..stripe_stub import NewShop
from .buyers import REFUND, Row, amounts, deliver_all, give_back, requests_for, sold

INSERT = ("INSERT INTO credit_refund_requests",)


def both(shop: Host, purchase: Row, *wishes: dict[str, Any]) -> list[str]:
    """What became of wishes at the same moment, which meet after what they read."""

    def attempt(number: int, wish: dict[str, Any]) -> str:
        try:
            return str(give_back(shop, purchase, actor=f"operator{number}", **wish).how)
        except (RefundRefused, GatewayError) as error:
            return type(error).__name__

    with meeting(shop, len(wishes), INSERT):
        calls = [partial(attempt, number, wish) for number, wish in enumerate(wishes)]
        return sorted(in_parallel(calls))


@pytest.mark.parametrize("again", [False, True], ids=["plain", "again"])
def test_two_operators_want_the_same_part(shop: Host, stripe: Sandbox, again: bool) -> None:
    for number in range(3):
        purchase = sold(shop, stripe, f"user{number}")
        wish = {"amount": 400, "again": again}
        both(shop, purchase, wish, wish)
        deliver_all(shop, stripe, purchase)
        # Whoever comes after the other has finished means it, with --again.
        assert amounts(stripe, purchase) in ([[400], [400, 400]] if again else [[400]])
        assert len(requests_for(shop, purchase)) == len(amounts(stripe, purchase))
        assert sum(shop.ledger(f"user{number}")) == 1000 - sum(amounts(stripe, purchase))
    shop.assert_exact()


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_two_operators_at_every_isolation_level(
    postgres_database_url: str, new_shop: NewShop, stripe: Sandbox, level: str
) -> None:
    shop = new_shop(postgres_database_url, SQLALCHEMY_ENGINE_OPTIONS={"isolation_level": level})
    for number in range(3):
        purchase = sold(shop, stripe, f"user{number}")
        both(shop, purchase, {"amount": 400}, {"amount": 400})
        assert amounts(stripe, purchase) == [400]
        assert shop.ledger(f"user{number}") == [1000, -400]


def test_two_operators_want_all_of_it(shop: Host, stripe: Sandbox) -> None:
    for number in range(3):
        purchase = sold(shop, stripe, f"user{number}")
        both(shop, purchase, {"amount": None}, {"amount": 1000})
        assert amounts(stripe, purchase) == [1000]
        assert len(requests_for(shop, purchase)) == 1
        assert shop.ledger(f"user{number}") == [1000, -1000]


def test_the_second_goes_on_with_the_request_of_the_first(shop: Host, stripe: Sandbox) -> None:
    """While Stripe works on it: the same key, so the same refund."""
    purchase = sold(shop, stripe)
    second: list[str] = []

    def come_in(_: Any) -> None:
        second.append(str(give_back(shop, purchase, 400, actor="pete").how))

    stripe.faults.next(REFUND, before_reply=come_in)
    assert give_back(shop, purchase, 400).how is Refunded.MADE
    assert second == ["made_before"]
    assert amounts(stripe, purchase) == [400]
    assert shop.ledger() == [1000, -400]


def test_the_webhook_beside_the_operator(shop: Host, stripe: Sandbox) -> None:
    for number in range(3):
        purchase = sold(shop, stripe, f"user{number}")
        answers: Queue[Any] = Queue()
        stripe.faults.next(REFUND, before_reply=answers.put)

        def webhook(answers: Queue[Any] = answers) -> str:
            told = event("refund.created", answers.get(timeout=LONGEST_WAIT_SECONDS))
            return str(shop.post_event(told).status_code)

        how, status = in_parallel([lambda p=purchase: str(give_back(shop, p, 400).how), webhook])
        assert (how, status) == ("made", "200")
        assert shop.ledger(f"user{number}") == [1000, -400]
    shop.assert_exact()


def test_without_the_locks_there_are_two(
    postgres_database_url: str, new_shop: NewShop, stripe: Sandbox
) -> None:
    """What the tests above must be able to see."""
    shop = new_shop(postgres_database_url)
    for mutant in (no_payment_lock, no_purchase_lock):
        mutate(shop, mutant)
    purchase = sold(shop, stripe)
    # Recording both, they meet a unique key: the last bar.
    with suppress(sa.exc.IntegrityError):
        both(shop, purchase, {"amount": 400}, {"amount": 400})
    assert amounts(stripe, purchase) == [400, 400]
