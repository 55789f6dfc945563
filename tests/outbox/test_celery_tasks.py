"""In ``transaction`` mode, with payments that are recorded inside Celery tasks."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.facts import SessionNews, record_session
from flask_stripe_credits.fulfillment import settle
from flask_stripe_credits.stripe_objects import CheckoutSession
from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host, make_host


@pytest.fixture
def celery(celery_logs_nothing: None) -> Celery:
    app = Celery("tasks", broker="memory://", backend="cache+memory://", set_as_current=False)
    return app


def test_a_receiver_in_a_task_gets_its_session_and_books_in_the_same_transaction(
    database_url: str, celery: Celery
) -> None:
    tries: list[str] = []

    def book(grant: GrantSnapshot, session: Session) -> None:
        tries.append(grant.id)
        assert session is host.db.session()
        session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
        session.flush()
        if len(tries) == 1:
            raise RuntimeError("the first try fails after it booked")

    host = make_host(database_url, receiver=book)

    @celery.task(shared=False, bind=True, max_retries=3, default_retry_delay=0)
    def record(task: Any, paid: dict[str, Any]) -> str:
        try:
            return _record(host, paid)
        except Exception as error:
            raise task.retry(exc=error) from error

    # Celery logs the arguments of its tasks, so nobody's address is among them.
    paid = [
        host.paid_event(host.add_purchase(), customer_details=None)["data"]["object"]
        for _ in range(3)
    ]
    with start_worker(celery, pool="solo", perform_ping_check=False, shutdown_timeout=60):
        results = [record.delay(one) for one in paid * 2]
        assert {result.get(timeout=60) for result in results} == {"handled"}
    assert sorted(host.ledger()) == [1000, 1000, 1000]
    assert len(set(tries)) == 3
    assert len(tries) == 4
    assert_invariants(host.app)


def _record(host: Host, paid: dict[str, Any]) -> str:
    session = CheckoutSession.from_payload(paid)
    with host.app.app_context():
        recorded = settle(
            host.state,
            lambda uow: record_session(uow, session, SessionNews.COMPLETED),
            cause="a task",
        )
    return str(recorded.verdict)
