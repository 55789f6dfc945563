from __future__ import annotations

import contextlib
import datetime as dt
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from example_app.credit_manager import (
    LedgerEntry,
    NotEnoughCredits,
    apply,
    balance_of,
    entries_of,
    spend,
)
from example_app.extensions import db
from flask_stripe_credits.errors import Refuse
from flask_stripe_credits.snapshots import GrantSnapshot, PurchaseSnapshot


@pytest.fixture(autouse=True)
def app_context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def grant(credits: int, user_id: str = "alice", reason: str = "purchase") -> GrantSnapshot:
    now = dt.datetime.now(dt.UTC)
    purchase = PurchaseSnapshot(
        id=str(uuid.uuid4()),
        user_id=user_id,
        package_code="starter",
        package_name="Starter Pack",
        amount_credits=1_000,
        unit_amount=1_000,
        currency="usd",
        status="completed",
        amount_paid=1_000,
        amount_refunded=0,
        credits_revoked=0,
        livemode=False,
        stripe_checkout_session_id=None,
        stripe_payment_intent_id=None,
        checkout_url=None,
        expires_at=None,
        review_reason=None,
        metadata=None,
        created_at=now,
        completed_at=now,
    )
    return GrantSnapshot(
        id=str(uuid.uuid4()),
        purchase_id=purchase.id,
        user_id=user_id,
        sequence=1,
        credits=credits,
        reason=reason,
        cause="a test",
        created_at=now,
        purchase=purchase,
    )


def enter(one: GrantSnapshot) -> None:
    apply(one, db.session())
    db.session.commit()


def test_grants_add_up_to_the_balance_of_their_user_alone() -> None:
    enter(grant(1_000))
    enter(grant(5_000))
    enter(grant(7, user_id="bob"))
    assert balance_of("alice") == 6_000
    assert balance_of("bob") == 7
    assert balance_of("admin") == 0


def test_same_grant_can_not_be_entered_twice() -> None:
    one = grant(1_000)
    enter(one)
    db.session.remove()
    with pytest.raises(IntegrityError):
        enter(replace(one, credits=1))
    db.session.rollback()
    assert balance_of("alice") == 1_000


def test_refund_of_spent_credits_makes_the_balance_negative() -> None:
    bought = grant(1_000)
    enter(bought)
    spend("alice", 800, "spent")
    taken_back = replace(bought, id=str(uuid.uuid4()), credits=-1_000, reason="refund")
    enter(taken_back)
    assert balance_of("alice") == -800
    assert [(e.credits, e.reason) for e in entries_of("alice")] == [
        (-1_000, "refund"),
        (-800, "spent"),
        (1_000, "purchase"),
    ]


def test_nobody_spends_more_than_the_balance() -> None:
    enter(grant(100))
    with pytest.raises(NotEnoughCredits) as caught:
        spend("alice", 101, "spent")
    assert caught.value.balance == 100
    assert balance_of("alice") == 100
    spend("alice", 100, "spent")
    assert balance_of("alice") == 0


@pytest.mark.parametrize("credits", [0, -5])
def test_spending_can_not_add_credits(credits: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        spend("alice", credits, "spent")
    assert db.session.query(LedgerEntry).count() == 0


def test_spending_at_the_same_time_never_overdraws(app: Flask) -> None:
    enter(grant(100))
    db.session.remove()
    both_have_read = threading.Barrier(2)
    refused: list[int] = []

    @event.listens_for(db.engine, "after_cursor_execute")
    def let_the_other_read_too(*arguments: object) -> None:
        # The one who locked waits in vain: the other can't read before the first has committed.
        if "sum(" in str(arguments[2]):
            with contextlib.suppress(threading.BrokenBarrierError):
                both_have_read.wait(timeout=1)

    def spend_in_thread() -> None:
        with app.app_context():
            try:
                spend("alice", 60, "spent")
            except NotEnoughCredits as error:
                refused.append(error.balance)

    threads = [threading.Thread(target=spend_in_thread) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [40]
    assert balance_of("alice") == 40


def test_grant_for_nobody_is_refused_for_good() -> None:
    with pytest.raises(Refuse):
        apply(grant(1_000, user_id="eve"), db.session())
