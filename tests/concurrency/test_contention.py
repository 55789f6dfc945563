"""Deadlocks, small pools and slow receivers: 503 with Retry-After at worst, never a wrong sum."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from flask_stripe_credits import GrantSnapshot, unit_of_work

from ..hosts import Host, make_host
from ..parallel import in_parallel

QUICK_DEADLOCKS = {"connect_args": {"options": "-c deadlock_timeout=10ms"}}
POOLS = ("house", "stock", "bonus")


def _deliver_until_taken(host: Host, document: dict[str, Any]) -> int:
    """How often the delivery was refused, each time with the words to come again."""
    for refused in range(100):
        answer = host.post_event(document)
        if answer.status_code == 200:
            return refused
        assert _asks_for_patience(answer)
    raise AssertionError("never taken")


def _asks_for_patience(answer: TestResponse) -> bool:
    assert answer.status_code == 503
    assert answer.mimetype == "application/problem+json"
    return int(answer.headers["Retry-After"]) > 0


# C09: receivers that lock the host's rows in an order of their own.


class Transfers:
    """A credit manager that moves credits between balance rows, locked in any order."""

    def __init__(self, database_url: str) -> None:
        self.random = random.Random(1)
        self.host = make_host(
            database_url, receiver=self.book, SQLALCHEMY_ENGINE_OPTIONS=QUICK_DEADLOCKS
        )
        with self.host.app.app_context():
            for name in POOLS:
                entry = self.host.LedgerEntry(id=name, user_id=name, credits=0)
                self.host.db.session.add(entry)
            self.host.db.session.commit()

    def book(self, grant: GrantSnapshot, session: Session) -> None:
        entries = self.host.LedgerEntry
        for name in self.random.sample(POOLS, 2):
            row = session.get(entries, name, with_for_update=True)
            assert row is not None
            row.credits -= grant.credits // 2
            session.flush()
        session.add(entries(id=grant.id, user_id=grant.user_id, credits=grant.credits))

    def race(self, deliveries: int) -> list[int]:
        documents = [
            self.host.paid_event(self.host.add_purchase(user_id="buyer")) for _ in range(deliveries)
        ]
        return in_parallel([lambda d=d: _deliver_until_taken(self.host, d) for d in documents])


def test_C09_receivers_that_deadlock_lose_and_double_nothing(
    postgres_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    transfers = Transfers(postgres_database_url)
    transfers.race(12)
    assert transfers.host.ledger("buyer") == [1000] * 12
    assert sum(transfers.host.balance(name) for name in POOLS) == -12_000
    assert "tried again" in caplog.text


def test_C09_without_a_second_try_deliveries_are_refused(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_of_work, "MAX_TRIES", 1)
    transfers = Transfers(postgres_database_url)
    assert sum(transfers.race(12)) > 0
    assert transfers.host.ledger("buyer") == [1000] * 12
    assert sum(transfers.host.balance(name) for name in POOLS) == -12_000


# C11: fewer connections than deliveries.


def test_C11_fifty_deliveries_and_two_connections(database_url: str) -> None:
    host = make_host(
        database_url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 2, "max_overflow": 0, "pool_timeout": 0.02},
    )
    documents = [host.paid_event(host.add_purchase()) for _ in range(25)] * 2
    answers = in_parallel([lambda d=d: host.post_event(d) for d in documents])
    refused = [
        document
        for document, answer in zip(documents, answers, strict=True)
        if answer.status_code != 200
    ]
    assert refused
    for answer in answers:
        assert answer.status_code == 200 or _asks_for_patience(answer)
    for document in refused:
        assert host.post_event(document).status_code == 200
    assert host.ledger() == [1000] * 25


# C16: a receiver that takes longer than Stripe waits; Stripe delivers again meanwhile.

SHORT_WAITS: dict[str, dict[str, Any]] = {
    "sqlite": {"connect_args": {"timeout": 0.02}},
    "postgresql": {"connect_args": {"options": "-c lock_timeout=20ms"}},
}


@pytest.mark.parametrize("kind", SHORT_WAITS)
def test_C16_a_delivery_beside_a_slow_receiver_is_503_and_then_finds_it_done(
    new_database: Callable[[str], str], kind: str
) -> None:
    running, finish = threading.Event(), threading.Event()

    def book_slowly(grant: GrantSnapshot, session: Session) -> None:
        session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
        session.flush()
        running.set()
        assert finish.wait(30)

    host = make_host(
        new_database(kind), receiver=book_slowly, SQLALCHEMY_ENGINE_OPTIONS=SHORT_WAITS[kind]
    )
    purchase = host.add_purchase()
    answers: list[TestResponse] = []
    slow = threading.Thread(target=lambda: answers.append(host.pay(purchase)))
    slow.start()
    assert running.wait(30)
    try:
        for _ in range(2):
            assert _asks_for_patience(host.pay(purchase))
    finally:
        finish.set()
        slow.join(30)
    assert [answer.status_code for answer in answers] == [200]
    assert host.pay(purchase).status_code == 200
    assert host.ledger() == [1000]


def test_C16_another_purchase_neednt_wait_for_it_on_PostgreSQL(
    postgres_database_url: str,
) -> None:
    finish = threading.Event()
    running = threading.Event()

    def book(grant: GrantSnapshot, session: Session) -> None:
        session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
        session.flush()
        if grant.user_id == "slow":
            running.set()
            assert finish.wait(30)

    host = make_host(postgres_database_url, receiver=book)
    slow_purchase = host.add_purchase(user_id="slow")
    slow = threading.Thread(target=lambda: host.pay(slow_purchase))
    slow.start()
    assert running.wait(30)
    try:
        assert host.pay(host.add_purchase()).status_code == 200
        assert host.ledger() == [1000]
    finally:
        finish.set()
        slow.join(30)
    assert host.ledger("slow") == [1000]
