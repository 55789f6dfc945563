"""An operator's command that dies at any step, and is run again: one refund, and its credits."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from subprocess import PIPE

import pytest

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from ..parallel import in_parallel
from ..stripe_stub import NewShop
from .buyers import Row, amounts, deliver_all, requests_for, sold
from .operator_process import AMOUNT, WAYS

MOST_STEPS = 200


@pytest.fixture
def selling(database_url: str, new_shop: NewShop) -> Host:
    """A host that sells through the sandbox, on both databases."""
    return new_shop(database_url)


@contextmanager
def dying_operators(
    shop: Host, stripe: Sandbox, steps: str
) -> Iterator[Callable[[str, Row, int], int]]:
    """Refunds in a real process that is killed at one step; returns its exit code."""
    command = [sys.executable, "-m", "tests.refunds.operator_process", shop.db_url, stripe.url]
    with subprocess.Popen([*command, steps], stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        told, answers = process.stdin, process.stdout

        def run(way: str, purchase: Row, step: int) -> int:
            print(way, purchase["id"], step, file=told, flush=True)
            return int(answers.readline())

        yield run
        told.close()


def kill_at_every_step(shop: Host, stripe: Sandbox, way: str, steps: str) -> dict[int, list[int]]:
    """Refund a purchase for each step, kill there, run it again; return what Stripe made."""
    made: dict[int, list[int]] = {}
    with dying_operators(shop, stripe, steps) as refund:
        for step in range(1, MOST_STEPS):
            user = f"{way}{step}"
            purchase = sold(shop, stripe, user)
            died = refund(way, purchase, step)
            if died == 0:
                break
            assert died == -signal.SIGKILL
            with shop.app.app_context():
                WAYS[way](shop.state, purchase["id"])
            made[step] = amounts(stripe, purchase)
            deliver_all(shop, stripe, purchase)
            assert shop.ledger(user) == [1000, *(-amount for amount in made[step])]
            if way == "ours":
                (request,) = requests_for(shop, purchase)
                assert request["stripe_refund_id"] is not None
    shop.assert_exact()
    return made


@pytest.mark.parametrize("steps", ["milestones", pytest.param("all", marks=pytest.mark.soak)])
def test_C03_killed_at_every_step_of_a_refund(selling: Host, stripe: Sandbox, steps: str) -> None:
    made = kill_at_every_step(selling, stripe, "ours", steps)
    assert len(made) >= (8 if steps == "milestones" else 20)
    assert set(map(tuple, made.values())) == {(AMOUNT,)}


def test_C03_asking_stripe_before_writing_is_caught_by_this(
    small_shop: Host, stripe: Sandbox
) -> None:
    made = kill_at_every_step(small_shop, stripe, "stripe_first", "milestones")
    assert [AMOUNT, AMOUNT] in made.values()


def test_two_processes_refund_at_the_same_moment(selling: Host, stripe: Sandbox) -> None:
    with (
        dying_operators(selling, stripe, "milestones") as one,
        dying_operators(selling, stripe, "milestones") as two,
    ):
        for number in range(4):
            purchase = sold(selling, stripe, f"user{number}")
            never = MOST_STEPS
            died = in_parallel([partial(run, "ours", purchase, never) for run in (one, two)])
            assert died == [0, 0]
            assert amounts(stripe, purchase) == [AMOUNT]
            assert selling.ledger(f"user{number}") == [1000, -AMOUNT]
    selling.assert_exact()
