"""C03, C04, C05: a process that dies at any step of a delivery loses and doubles nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host
from ..naive import shops
from .every_step import kill_at_every_step
from .histories import DISPUTE_WON, PAID, PAID_LATE, REFUNDED
from .processes import ShopProcesses

# The crash points of the catalogue, by the names that they have here.
OF_A_PAYMENT = {
    "after get_data": "read body",
    "after verify": "verify",
    "after parse": "parse",
    "after BEGIN": "BEGIN",
    "after the locks": "WITH credit_payments",
    "after facts": "SELECT credit_purchases",
    "after grant": "INSERT credit_grants",
    "before signal": "before signal",
    "after the receiver's ledger": "INSERT ledger_entry",
    "after signal": "after signal",
    "after fact and inbox": "WITH credit_webhook_events",
    "before commit": "before COMMIT",
    "after commit": "after COMMIT",
    "before response": "before response",
}
# What is one statement on PostgreSQL only. On SQLite the write lock is taken first, and is all.
_ON_SQLITE = {
    "WITH credit_payments": ["UPDATE credit_payments"],
    "WITH credit_webhook_events": ["UPDATE credit_purchases", "INSERT credit_webhook_events"],
}


def steps_on(host: Host, steps: Iterable[str]) -> list[str]:
    """What these steps of PostgreSQL's are on the host's database."""
    others = _ON_SQLITE if host.db_url.startswith("sqlite") else {}
    return [one for step in steps for one in others.get(step, [step])]


def test_C03_C04_C05_killed_at_every_step_of_a_payment(host: Host, tmp_path: Path) -> None:
    with ShopProcesses(host, tmp_path / "shop", trace=True) as shop:
        killed = kill_at_every_step(shop, PAID)
        stopped = kill_at_every_step(shop, PAID, weapon=signal.SIGTERM)
    assert set(steps_on(host, OF_A_PAYMENT.values())) <= set(killed.steps)
    for outcome in (killed, stopped):
        assert outcome.killed_at == outcome.steps
        assert outcome.wrong == {}
    assert_invariants(host.app)
    assert len(host.grants()) == len(host.purchases())


def test_C03_killed_at_every_step_of_a_payment_that_takes_days(host: Host, tmp_path: Path) -> None:
    with ShopProcesses(host, tmp_path / "shop", trace=True) as shop:
        outcome = kill_at_every_step(shop, PAID_LATE, number=2, before=(0,))
    assert "INSERT credit_grants" in outcome.steps
    assert outcome.killed_at == outcome.steps
    assert outcome.wrong == {}
    assert_invariants(host.app)


def test_C03_A09_A10_killed_at_every_step_of_what_takes_credits_back(
    host: Host, tmp_path: Path
) -> None:
    with ShopProcesses(host, tmp_path / "shop", trace=True) as shop:
        for history, fact in (
            (REFUNDED, "INSERT credit_refunds"),
            (DISPUTE_WON, "INSERT credit_disputes"),
        ):
            taken = kill_at_every_step(shop, history, number=2, before=(0,))
            too_early = kill_at_every_step(shop, history, number=2)
            given_back = kill_at_every_step(shop, history, number=3, before=(0, 2))
            assert {fact, "INSERT credit_grants"} <= set(taken.steps)
            assert fact in too_early.steps and "INSERT credit_grants" not in too_early.steps
            for outcome in (taken, too_early, given_back):
                assert outcome.killed_at == outcome.steps
                assert outcome.wrong == {}
    assert_invariants(host.app)


def test_C03_the_usual_handlers_lose_or_double_when_killed(host: Host, tmp_path: Path) -> None:
    """But one: the test asks for results, not for our way to them."""
    survived = set()
    with ShopProcesses(host, tmp_path / "shop", trace=True) as shop:
        for handler in shops.NAIVE:
            shop.use(handler)
            outcome = kill_at_every_step(shop, PAID)
            assert outcome.killed_at == outcome.steps
            if outcome.wrong == {}:
                survived.add(handler)
    assert survived == {shops.guarded_update}
