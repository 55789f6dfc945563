from __future__ import annotations

import signal
from pathlib import Path

import pytest

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host
from .processes import reconcile_process
from .shoppers import assert_in_line, buy_and_pay, payment_of

PURCHASES = 6


@pytest.mark.parametrize(("die", "granted"), [("inside", 2), ("after", 3)])
def test_A18_a_run_that_is_killed_half_way_is_finished_by_the_next(
    shop: Host, stripe: Sandbox, tmp_path: Path, die: str, granted: int
) -> None:
    purchases = [buy_and_pay(shop, stripe, f"user {number}") for number in range(PURCHASES)]
    stripe.refund(payment_of(stripe, purchases[0]))
    killed = reconcile_process(shop, tmp_path, "--apply", die=die)
    assert killed.code == -signal.SIGKILL, killed.errors
    assert len(shop.ledger()) == len(shop.grants()) == granted
    finished = reconcile_process(shop, tmp_path, "--apply")
    assert finished.code == 0, finished.errors
    assert shop.ledger() == [1000] * (PURCHASES - 1)
    assert {row["user_id"] for row in shop.rows(shop.LedgerEntry)} == {
        f"user {number}" for number in range(1, PURCHASES)
    }
    assert_in_line(shop)
    assert_invariants(shop.app)
