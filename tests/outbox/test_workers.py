"""Many workers, in threads and in processes that are killed: no grant lost, none out of order."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.testing import assert_invariants

from ..figures import Figures, scaled
from ..parallel import in_parallel
from .conftest import Shop, make_shop
from .workers import create_manager

ROOT = Path(__file__).resolve().parents[2]


def _fill(shop: Shop, purchases: int) -> None:
    """Purchases, every second one with two take-backs behind its grant."""
    for number in range(purchases):
        purchase = shop.buy(user_id=f"user-{number % 5}")
        if number % 2:
            shop.refund(purchase, 300)
            shop.refund(purchase, 700)


def _in_order(calls: list[tuple[str, int]]) -> bool:
    """Whether no purchase's grant was handed over after a later one of the same purchase."""
    of_purchase: dict[str, list[int]] = defaultdict(list)
    for purchase_id, sequence in calls:
        of_purchase[purchase_id].append(sequence)
    return all(sequences == sorted(sequences) for sequences in of_purchase.values())


def deliver_in_threads(shop: Shop, threads: int = 8, purchases: int = 16) -> None:
    """Every grant is handed over exactly once, in order, although each first one is slow."""
    lock, calls = threading.Lock(), []
    later: dict[str, threading.Event] = defaultdict(threading.Event)

    def remember(grant: GrantSnapshot) -> None:
        overtaken = later[grant.purchase_id]
        if grant.sequence == 1:
            overtaken.wait(0.25)
        with lock:
            calls.append((grant.purchase_id, grant.sequence))
        if grant.sequence > 1:
            overtaken.set()

    shop.manager.trouble = remember
    _fill(shop, purchases)
    expected = purchases * 2

    def work() -> int:
        delivered = 0
        while len(calls) < expected:
            delivered += shop.deliver()
        return delivered

    assert sum(in_parallel([work] * threads)) == expected
    assert (len(calls), len(set(calls))) == (expected, expected)
    assert _in_order(calls)
    assert all(row["attempts"] == 1 for row in shop.host.grants())


def test_A13_each_grant_is_delivered_once_by_many_threads(shop: Shop) -> None:
    deliver_in_threads(shop)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_each_grant_is_delivered_once_in_every_isolation_level(
    postgres_database_url: str, level: str
) -> None:
    options = {"isolation_level": level}
    shop = make_shop(postgres_database_url, SQLALCHEMY_ENGINE_OPTIONS=options)
    deliver_in_threads(shop)
    assert_invariants(shop.host.app)


def _run_workers(shop: Shop, manager: Path, die_every: int, kill_seconds: float) -> int:
    """Let processes deliver everything; return how many were killed."""
    arguments = [shop.host.db_url, str(manager), str(die_every), str(kill_seconds)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.outbox.workers", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1_200,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def _survive_kills(
    shop: Shop, tmp_path: Path, purchases: int, *, die_every: int = 0, kill_seconds: float = 0
) -> tuple[int, int]:
    """Check what the credit manager was told and booked; return the calls and the kills."""
    manager = tmp_path / "manager.sqlite"
    create_manager(manager)
    _fill(shop, purchases)
    kills = _run_workers(shop, manager, die_every, kill_seconds)
    with closing(sqlite3.connect(manager)) as connection:
        calls = connection.execute(
            "SELECT purchase_id, sequence, credits FROM calls ORDER BY number"
        ).fetchall()
        booked = dict(connection.execute("SELECT id, credits FROM entries").fetchall())
    grants = shop.host.grants()
    assert booked == {str(row["id"]): row["credits"] for row in grants}
    # A worker that dies after a booking is the only reason to be told again.
    again = len(calls) - len(grants)
    assert again == kills if die_every else 0 <= again <= kills
    assert all(row["delivered_at"] for row in grants)
    assert _in_order([call[:2] for call in calls])
    return len(calls), kills


def test_C22_workers_killed_between_the_receiver_and_our_note_lose_and_double_nothing(
    shop: Shop, tmp_path: Path
) -> None:
    """Every fourth booking kills its worker; the grant's id keeps the next one from doubling it."""
    _, kills = _survive_kills(shop, tmp_path, purchases=8, die_every=4)
    assert kills >= 4


def test_C22_workers_killed_at_any_moment_lose_and_double_nothing(
    shop: Shop, tmp_path: Path
) -> None:
    _, kills = _survive_kills(shop, tmp_path, purchases=20, kill_seconds=0.1)
    assert kills >= 1


@pytest.mark.soak
def test_C22_workers_are_killed_a_hundred_times(
    shop: Shop, tmp_path: Path, figures: Figures
) -> None:
    calls, kills = _survive_kills(shop, tmp_path, scaled(200, 8), die_every=4)
    figures(deliveries=calls, kills=kills, lost=0, doubled=0)


@pytest.mark.soak
def test_C22_workers_are_killed_at_any_moment_for_long(
    shop: Shop, tmp_path: Path, figures: Figures
) -> None:
    calls, kills = _survive_kills(shop, tmp_path, scaled(500, 8), kill_seconds=0.1)
    figures(deliveries=calls, kills=kills, lost=0, doubled=0)
