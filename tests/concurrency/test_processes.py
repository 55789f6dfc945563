"""What holds between threads has to hold between processes: nothing of it is kept in memory."""

from __future__ import annotations

import random
from typing import Any

import pytest

from flask_stripe_credits.sandbox import Sandbox

from ..figures import Figures, scaled
from ..hosts import Host
from ..payloads import checkout_session, event
from ..stripe_stub import NewShop
from .processes import delivery, purchase, send_from_processes

PROCESSES = 4


def _events_of_sessions(host: Host, sessions: int) -> list[dict[str, Any]]:
    """Two different events of each session."""
    documents = []
    for number in range(sessions):
        session = checkout_session(host.add_purchase(user_id=f"user {number}"))
        types = ("completed", "async_payment_succeeded")
        documents += [event(f"checkout.session.{type_}", session) for type_ in types]
    return documents


def _deliver_everything_everywhere(host: Host, sessions: int, threads: int) -> tuple[int, int]:
    """Each thread of each process delivers all events, in an order of its own.

    :returns: how many deliveries there were, and how many of them were refused.
    """
    requests = [delivery(host, document) for document in _events_of_sessions(host, sessions)]
    shuffled = [random.Random(seed).sample(requests, len(requests)) for seed in range(threads)]
    answers = send_from_processes(host, PROCESSES, shuffled)
    assert all(statuses[-1] == 200 for statuses in answers), answers
    count = sum(len(statuses) for statuses in answers)
    return count, count - len(answers)


def test_A01_A03_C10_C13_four_processes_grant_once(host: Host) -> None:
    count, _ = _deliver_everything_everywhere(host, 4, 4)
    assert count >= 4 * 2 * 4 * PROCESSES
    assert sorted(row["user_id"] for row in host.rows(host.LedgerEntry)) == [
        f"user {number}" for number in range(4)
    ]
    assert host.ledger() == [1000] * 4
    host.assert_exact()


@pytest.mark.soak
def test_A01_A03_C10_C13_four_processes_of_16_threads(host: Host, figures: Figures) -> None:
    sessions = scaled(50)
    count, refused = _deliver_everything_everywhere(host, sessions, 16)
    balances = [host.balance(f"user {number}") for number in range(sessions)]
    lost, doubled = sum(b < 1000 for b in balances), sum(b > 1000 for b in balances)
    figures(sessions=sessions, deliveries=count, lost=lost, doubled=doubled, refused=refused)
    assert (lost, doubled) == (0, 0)
    assert host.ledger() == [1000] * sessions


def test_D09_D10_one_key_from_four_processes_is_one_purchase(shop: Host, stripe: Sandbox) -> None:
    same = [[purchase("alice", "starter", "order-1")]] * 5
    answers = send_from_processes(shop, PROCESSES, same)
    assert {statuses[-1] for statuses in answers} <= {201, 409}
    assert 201 in {statuses[-1] for statuses in answers}
    (row,) = shop.purchases()
    assert row["stripe_checkout_session_id"] is not None


def test_D11_C13_the_hourly_limit_holds_between_processes(
    database_url: str, new_shop: NewShop, quick_retries: None
) -> None:
    shop = new_shop(database_url, STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR=5)
    alice = [[purchase("alice", "starter", f"order-{number}")] for number in range(8)]
    bob = [[purchase("bob", "starter", "order-1")]]
    answers = send_from_processes(shop, 2, alice + bob)
    # Each key is sent by two processes: who comes second joins the first, or is told to wait.
    assert {statuses[-1] for statuses in answers} <= {201, 409, 429}
    assert sum(statuses[-1] == 429 for statuses in answers) == 3 * 2
    assert len(shop.purchases(user_id="alice")) == 5
    assert len(shop.purchases(user_id="bob")) == 1
