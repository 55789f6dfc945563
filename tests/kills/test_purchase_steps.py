"""C01, C02: a process that dies at any step of a purchase leaves it payable, once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host
from ..stripe_stub import CREATE, NewShop
from .load import pay
from .processes import ShopProcesses

# The crash points of the catalogue, by the names that they have here.
OF_A_PURCHASE = {
    "after validate": "validate",
    "after row insert": "INSERT credit_purchases",
    "before commit": "before COMMIT",
    "after commit": "after COMMIT",
    "before Stripe": "before Stripe",
    "after Stripe (reply lost)": "after Stripe",
    "after UPDATE": "UPDATE credit_purchases",
    "before response": "before response",
}


@pytest.fixture
def selling(database_url: str, new_shop: NewShop) -> Host:
    """A host that sells through the sandbox, on both databases."""
    return new_shop(database_url)


def buy_until_open(shop: ShopProcesses, user: str, *, keyed: bool) -> dict[str, Any]:
    for _ in range(5):
        answer = shop.buy(user, keyed=keyed)
        if answer is not None and answer[0] in (200, 201):
            opened: dict[str, Any] = answer[1]
            return opened
    raise AssertionError(f"no checkout: {answer}\n{shop.log[-2000:]}")


def sessions_of(stripe: Sandbox, host: Host, user: str) -> list[str]:
    ids = {str(row["id"]) for row in host.purchases(user_id=user)}
    sessions = stripe.objects("checkout.session")
    return [session["id"] for session in sessions if session["client_reference_id"] in ids]


@pytest.mark.parametrize("keyed", [False, True], ids=["click", "key"])
def test_C01_C02_killed_at_every_step_of_a_purchase(
    selling: Host, stripe: Sandbox, tmp_path: Path, keyed: bool
) -> None:
    with ShopProcesses(selling, tmp_path / "shop", trace=True, selling=True) as shop:
        steps = _steps_of_a_purchase(shop, keyed=keyed)
        assert set(OF_A_PURCHASE.values()) <= set(steps)
        for place, step in enumerate(steps, 1):
            user = f"{place} {step}"
            shop.slots[0].fuse = place
            assert shop.buy(user, keyed=keyed) is None, f"not killed at {user}"
            opened = buy_until_open(shop, user, keyed=keyed)
            assert sessions_of(stripe, selling, user) == [opened["session_id"]]
            shop.deliver_until_taken([pay(stripe, opened["session_id"])] * 2)
            assert selling.ledger(user) == [1000]
            assert len(selling.purchases(user_id=user)) == 1
        assert [death.step for death in shop.deaths] == steps
    assert_invariants(selling.app)


def _steps_of_a_purchase(shop: ShopProcesses, *, keyed: bool) -> list[str]:
    shop.slots[0].weapon = signal.SIGKILL
    # Twice: only the first has to connect to the database.
    for time in ("first", "second"):
        shop.traced()
        answer = shop.buy(f"nobody killed, {time}", keyed=keyed)
        assert answer is not None and answer[0] == 201, shop.log
    return shop.traced()


def test_C01_a_session_whose_answer_was_lost_can_be_paid_at_once(
    selling: Host, stripe: Sandbox, tmp_path: Path
) -> None:
    """Paid before we know its id, and before the buyer's client asks again."""
    with ShopProcesses(selling, tmp_path / "shop", trace=True, selling=True) as shop:
        steps = _steps_of_a_purchase(shop, keyed=True)
        first, last = steps.index("after Stripe"), len(steps)
        for place in range(first + 1, last + 1):
            user = f"{place} {steps[place - 1]}"
            shop.slots[0].fuse = place
            assert shop.buy(user, keyed=True) is None
            (session_id,) = sessions_of(stripe, selling, user)
            shop.deliver_until_taken([pay(stripe, session_id)] * 2)
            assert selling.ledger(user) == [1000]
            opened = buy_until_open(shop, user, keyed=True)
            assert opened["session_id"] == session_id
            assert sessions_of(stripe, selling, user) == [session_id]
        assert len(shop.deaths) == last - first


def test_C01_killed_while_stripe_answers(selling: Host, stripe: Sandbox, tmp_path: Path) -> None:
    with ShopProcesses(selling, tmp_path / "shop", selling=True) as shop:
        kill: Callable[[object], None] = lambda _: shop.kill(shop.slots[0])  # noqa: E731
        stripe.faults.next(CREATE, before_reply=kill)
        assert shop.buy("alice", keyed=False) is None
        opened = buy_until_open(shop, "alice", keyed=False)
        assert [death.step for death in shop.deaths] == ["before Stripe"]
        assert sessions_of(stripe, selling, "alice") == [opened["session_id"]]
        shop.deliver_until_taken([pay(stripe, opened["session_id"])] * 2)
    assert selling.ledger("alice") == [1000]
