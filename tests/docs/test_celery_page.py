"""The tasks of the page about Celery, run by a real worker and a real beat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import _state
from celery.beat import EmbeddedService
from celery.contrib.testing.worker import start_worker

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.signals import grant_committed
from flask_stripe_credits.testing import assert_invariants

from ..databases import dispose_engines
from ..hosts import Host
from ..outbox.conftest import CreditManager, Shop
from ..outbox.conftest import celery_logs_nothing as celery_logs_nothing
from ..outbox.credit_service import CreditService

PAGE = "how-to/run-with-celery.md"
LONGEST_SECONDS = 180
Load = Callable[..., tuple[Any, Shop]]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[tuple[CreditService, CreditService]]:
    """The credit service, and a CRM that dies before it answers every fifth time."""
    credit_service = CreditService(tmp_path / "credits.sqlite")
    crm = CreditService(tmp_path / "crm.sqlite", die_every=5)
    for service in (credit_service, crm):
        service.start()
    yield credit_service, crm
    for service in (credit_service, crm):
        service.kill()


@pytest.fixture
def load(
    load_page: Any,
    database_url: str,
    services: tuple[CreditService, CreditService],
    monkeypatch: pytest.MonkeyPatch,
    celery_logs_nothing: None,
) -> Load:
    # Celery shares tasks among all its apps; the page is loaded once for each test.
    monkeypatch.setattr(_state, "_on_app_finalizers", set())

    def load_with(broker_url: str = "memory://") -> tuple[Any, Shop]:
        monkeypatch.setenv("FLASK_BROKER_URL", broker_url)
        monkeypatch.setenv("FLASK_CREDIT_SERVICE_URL", services[0].url)
        monkeypatch.setenv("FLASK_CRM_URL", services[1].url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        page, secret = load_page(PAGE, database_url)
        with page.app.app_context():
            page.db.create_all()
        if broker_url == "memory://":
            page.celery.control.purge()  # what other tests left: that broker is the process's
        return page, Shop(Host(page.app, page.db, page.credits, None, secret), CreditManager())

    return load_with


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_beat_and_worker_deliver_and_the_tasks_after_the_commit_run(
    load: Load, services: tuple[CreditService, CreditService], tmp_path: Path
) -> None:
    credit_service, crm = services
    page, shop = load()
    owed = {f"user-{number}": 900 for number in range(4)}
    for user in owed:
        shop.refund(shop.buy(user_id=user), 100)
    page.celery.conf.beat_schedule["deliver"]["schedule"] = 0.1
    dispose_engines()  # a worker forgets what its parent had open, as the page says
    beat = EmbeddedService(
        page.celery, thread=True, max_interval=0.1, schedule_filename=str(tmp_path / "beat")
    )

    def done() -> bool:
        crm.restart_if_dead()
        return crm.balance() == owed == credit_service.balance()

    with start_worker(page.celery, pool="solo", perform_ping_check=False, shutdown_timeout=60):
        beat.start()
        try:
            _wait(done)
        finally:
            beat.stop()
    shop.deliver()  # what the worker's end may have cut short
    assert crm.deaths >= 1
    assert crm.balance() == owed == credit_service.balance()
    assert all(row["delivered_at"] for row in shop.host.grants())
    assert_invariants(shop.host.app)


def test_a_task_is_started_when_its_grant_is_committed(load: Load) -> None:
    page, shop = load()
    seen: list[int] = []

    @grant_committed.connect_via(page.app)
    def look(sender: Any, grant: GrantSnapshot, **_: Any) -> None:
        seen.extend(row["credits"] for row in shop.host.grants() if str(row["id"]) == grant.id)

    shop.buy()
    assert seen == [1000]
    with page.celery.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        arguments = queue.get(timeout=LONGEST_SECONDS).payload[0]
        queue.close()
    (grant,) = shop.host.grants()
    assert arguments == [str(grant["id"]), "alice", 1000]


def test_a_broker_that_is_away_loses_no_credits(
    load: Load,
    services: tuple[CreditService, CreditService],
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, shop = load("amqp://127.0.0.1:1//")
    shop.buy()
    assert "receiver_failed_later" in [getattr(one, "event", "") for one in caplog.records]
    assert shop.deliver() == 1
    assert services[0].balance() == {"alice": 1000}


def test_workers_forget_the_connections_of_their_parent(load: Load) -> None:
    page, shop = load()
    shop.buy()
    with page.app.app_context():
        pool = page.db.engine.pool
    page.forget_connections()
    with page.app.app_context():
        assert page.db.engine.pool is not pool
    pool.dispose()
    assert shop.deliver() == 1
