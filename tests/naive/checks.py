"""What any handler of paid sessions has to get right. Each check raises AssertionError if not."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from ..parallel import in_parallel
from ..payloads import checkout_session, event
from .shops import Shop

# A party that a lock keeps waiting never comes to the barrier.
LONGEST_BARRIER_SECONDS = 0.25


class Killed(BaseException):
    """The process dies here: nothing of ours catches it."""


def _engine(shop: Shop) -> sa.Engine:
    with shop.host.app.app_context():
        return shop.host.db.engine


@contextmanager
def _meeting_after_the_read(shop: Shop, parties: int) -> Iterator[None]:
    """Whoever has read a purchase waits until the others have too, if nothing keeps them."""
    barrier = threading.Barrier(parties)
    engine = _engine(shop)

    def wait(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        if statement.startswith("SELECT") and "FROM credit_purchases" in statement:
            try:
                barrier.wait(LONGEST_BARRIER_SECONDS)
            except threading.BrokenBarrierError:
                return

    sa.event.listen(engine, "after_cursor_execute", wait)
    try:
        yield
    finally:
        sa.event.remove(engine, "after_cursor_execute", wait)


@contextmanager
def _killed_at(shop: Shop, step: int) -> Iterator[None]:
    """Die before the statement or commit of this number."""
    engine, steps = _engine(shop), itertools.count(1)

    def before_statement(*arguments: Any) -> None:
        if next(steps) == step:
            raise Killed

    def before_commit(connection: sa.Connection) -> None:
        if next(steps) == step:
            raise Killed

    sa.event.listen(engine, "before_cursor_execute", before_statement)
    sa.event.listen(engine, "commit", before_commit)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", before_statement)
        sa.event.remove(engine, "commit", before_commit)


def duplicates_at_once(shop: Shop) -> None:
    purchase = shop.host.add_purchase()
    document = shop.host.paid_event(purchase)
    with _meeting_after_the_read(shop, 2):
        in_parallel([lambda: shop.deliver(document)] * 2)
    shop.deliver_until_taken(document)
    assert shop.host.ledger() == [1000]


def two_events_of_one_session(shop: Shop) -> None:
    session = checkout_session(shop.host.add_purchase())
    for kind in ("completed", "async_payment_succeeded"):
        shop.deliver_until_taken(event(f"checkout.session.{kind}", session))
    assert shop.host.ledger() == [1000]


def killed_at_every_step(shop: Shop) -> None:
    """Redelivery must heal it, whichever step was the last."""
    for step in itertools.count(1):
        user = f"step {step}"
        document = shop.host.paid_event(shop.host.add_purchase(user_id=user))
        survived = True
        with _killed_at(shop, step):
            try:
                shop.deliver(document)
            except Killed:
                survived = False
        if survived:
            if step <= 3:
                raise RuntimeError("hardly anything was killed: the check proves nothing")
            return
        shop.deliver_until_taken(document)
        assert shop.host.ledger(user) == [1000], f"killed at step {step}"


def payment_after_a_failure(shop: Shop) -> None:
    purchase = shop.host.add_purchase()
    unpaid = checkout_session(purchase, payment_status="unpaid")
    shop.deliver(event("checkout.session.async_payment_failed", unpaid))
    before = shop.host.ledger()
    shop.deliver(event("checkout.session.async_payment_succeeded", checkout_session(purchase)))
    assert (before, shop.host.ledger()) == ([], [1000])


def unpaid_session(shop: Shop) -> None:
    purchase = shop.host.add_purchase()
    unpaid = checkout_session(purchase, payment_status="unpaid")
    shop.deliver(event("checkout.session.completed", unpaid))
    assert shop.host.ledger() == []


def session_of_another_purchase(shop: Shop) -> None:
    cheap = shop.host.add_purchase(unit_amount=100, amount_credits=10)
    dear = shop.host.add_purchase(unit_amount=35_000, amount_credits=50_000)
    session = checkout_session(cheap)
    session["metadata"]["purchase_id"] = str(dear["id"])
    shop.deliver(event("checkout.session.completed", session))
    assert 50_000 not in shop.host.ledger()


CHECKS = (
    duplicates_at_once,
    two_events_of_one_session,
    killed_at_every_step,
    payment_after_a_failure,
    unpaid_session,
    session_of_another_purchase,
)
