"""A host whose credits are handed over from the outbox, to a credit manager that remembers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from celery.signals import setup_logging

from flask_stripe_credits import GrantSnapshot, unit_of_work
from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host, make_host
from ..payloads import event, refund

Trouble = Callable[[GrantSnapshot], object]


@dataclass
class CreditManager:
    """Somewhere else. Remembers every call, and books each grant's id once.

    ``trouble`` is called first and may raise.
    """

    calls: list[GrantSnapshot] = field(default_factory=list)
    booked: dict[str, int] = field(default_factory=dict)
    trouble: Trouble | None = None

    def take(self, grant: GrantSnapshot) -> None:
        self.calls.append(grant)
        if self.trouble is not None:
            self.trouble(grant)
        self.booked.setdefault(grant.id, grant.credits)

    @property
    def called(self) -> list[int]:
        return [grant.credits for grant in self.calls]


@dataclass
class Shop:
    """The host and its credit manager."""

    host: Host
    manager: CreditManager

    def deliver(self) -> int:
        """What a task queue does."""
        with self.host.app.app_context():
            return self.host.credits.deliver_due()

    def buy(self, **values: Any) -> dict[str, Any]:
        """A paid purchase, its grant not yet delivered: the test client closes no answer."""
        purchase = self.host.add_purchase(**values)
        answer = self.host.pay(purchase)
        assert (answer.status_code, answer.json["verdict"]) == (200, "handled")
        return self.host.purchase(purchase["id"])

    def refund(self, purchase: dict[str, Any], amount: int = 1000) -> Any:
        payment = purchase["stripe_payment_intent_id"]
        return self.host.post_event(event("refund.created", refund(payment, amount)))

    def grant(self, purchase: dict[str, Any], sequence: int = 1) -> dict[str, Any]:
        (found,) = self.host.grants(purchase_id=purchase["id"], sequence=sequence)
        return found


def make_shop(database_url: str, **options: Any) -> Shop:
    manager = CreditManager()

    def take(grant: GrantSnapshot, session: object) -> None:
        assert session is None
        manager.take(grant)

    settings: dict[str, Any] = {"receiver": take, "STRIPE_CREDITS_DELIVERY": "outbox"}
    return Shop(make_host(database_url, **settings | options), manager)


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    """A shop with an outbox, once on SQLite and once on PostgreSQL. Audited at the end."""
    shop = make_shop(database_url)
    yield shop
    assert_invariants(shop.host.app)


@pytest.fixture
def celery_logs_nothing() -> Iterator[None]:
    """A Celery worker in this process would set the root logger's level for all later tests."""

    def leave_logging_alone(**_: object) -> None: ...

    setup_logging.connect(leave_logging_alone)
    yield
    setup_logging.disconnect(leave_logging_alone)


class Clock:
    """Every transaction of ours happens at ``now``."""

    def __init__(self) -> None:
        self.now = dt.datetime.now(dt.UTC)

    def pass_by(self, **duration: float) -> None:
        self.now += dt.timedelta(**duration)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    moment = SimpleNamespace(now=lambda zone: clock.now)
    monkeypatch.setattr(unit_of_work, "dt", SimpleNamespace(datetime=moment, UTC=dt.UTC))
    return clock
