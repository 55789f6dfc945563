"""The setting is changed while grants are undelivered: no take-back overtakes its grant."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot

from ..hosts import Host, make_host
from .conftest import Clock, Shop, make_shop


@dataclass
class Switched:
    """The same database with ``transaction`` again, and a ledger in it."""

    before: Shop
    host: Host
    calls: list[int] = field(default_factory=list)
    error: Exception | None = None

    def deliver(self) -> int:
        with self.host.app.app_context():
            return self.host.credits.deliver_due()

    def refund(self, purchase: dict[str, Any], amount: int = 1000) -> Any:
        return Shop(self.host, self.before.manager).refund(purchase, amount)


@pytest.fixture
def switched(database_url: str) -> Switched:
    before = make_shop(database_url)

    def book(grant: GrantSnapshot, session: Session) -> None:
        switched.calls.append(grant.credits)
        entry = host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits)
        session.add(entry)
        session.flush()
        if switched.error is not None:
            raise switched.error

    host = make_host(database_url, receiver=book)
    switched = Switched(before, host)
    return switched


def test_a_take_back_brings_the_older_grants_with_it_in_one_transaction(
    switched: Switched,
) -> None:
    purchase = switched.before.buy()
    assert switched.refund(purchase).status_code == 200
    assert switched.calls == [1000, -1000]
    assert switched.host.ledger() == [1000, -1000]
    assert all(row["delivered_at"] for row in switched.host.grants())
    assert switched.deliver() == switched.before.deliver() == 0


def test_nothing_is_kept_if_the_older_grant_is_not_taken(switched: Switched) -> None:
    purchase = switched.before.buy()
    switched.error = RuntimeError("not today")
    assert switched.refund(purchase).status_code == 503
    assert switched.host.ledger() == []
    (grant,) = switched.host.grants()
    assert grant["delivered_at"] is None
    switched.error = None
    assert switched.refund(purchase).status_code == 200
    assert switched.host.ledger() == [1000, -1000]


@pytest.mark.parametrize("by_hand", [False, True], ids=["connection", "by-hand"])
@pytest.mark.parametrize("isolation_level", [None, "AUTOCOMMIT"])
def test_an_older_grant_whose_receiver_rolls_back_counts_as_not_taken(
    database_url: str, isolation_level: str | None, by_hand: bool
) -> None:
    before, strange = make_shop(database_url), [True]

    def book(grant: GrantSnapshot, session: Session) -> None:
        entry = host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits)
        session.add(entry)
        session.flush()
        if strange[0] and by_hand:
            session.execute(sa.text("ROLLBACK"))
        elif strange[0]:
            session.connection().rollback()

    options = {} if isolation_level is None else {"isolation_level": isolation_level}
    host = make_host(database_url, receiver=book, SQLALCHEMY_ENGINE_OPTIONS=options)
    purchase, later = before.buy(), Shop(host, before.manager)
    assert later.refund(purchase).status_code == 503
    (grant,) = host.grants()
    assert (host.ledger(), grant["delivered_at"]) == ([], None)
    strange[0] = False
    assert later.refund(purchase).status_code == 200
    assert host.ledger() == [1000, -1000]
    assert all(row["delivered_at"] for row in host.grants())


@pytest.mark.parametrize("option", [{"close_resets_only": False}, {"twophase": True}], ids=str)
def test_a_hosts_sessions_may_be_for_one_use_or_for_two_phases(
    database_url: str, option: dict[str, bool]
) -> None:
    before, host = make_shop(database_url), make_host(database_url, session_options=option)
    assert Shop(host, before.manager).refund(before.buy()).status_code == 200
    assert host.ledger() == [1000, -1000]


def test_a_refused_older_grant_puts_the_purchase_in_review(switched: Switched) -> None:
    purchase = switched.before.buy()
    switched.error = switched.host.credits.Refuse("no such user")
    answer = switched.refund(purchase)
    assert (answer.status_code, answer.json["verdict"]) == (200, "review")
    assert switched.host.ledger() == []
    assert [row["credits"] for row in switched.host.grants()] == [1000]
    assert switched.host.purchase(purchase["id"])["status"] == "review"


def test_the_webhook_waits_while_an_old_worker_has_the_older_grant(
    switched: Switched, clock: Clock
) -> None:
    purchase = switched.before.buy()
    answers = []

    def refund_meanwhile(grant: GrantSnapshot) -> None:
        answers.append(switched.refund(purchase).status_code)

    switched.before.manager.trouble = refund_meanwhile
    assert switched.before.deliver() == 1
    assert answers == [503]
    assert len(switched.host.grants()) == 1
    assert switched.refund(purchase).status_code == 200
    assert (switched.before.manager.called, switched.calls) == ([1000], [-1000])


def test_what_still_waits_is_delivered_in_the_new_manner(switched: Switched) -> None:
    purchases = [switched.before.buy(user_id=user) for user in ("alice", "bob")]
    assert switched.deliver() == 2
    assert (switched.host.balance("alice"), switched.host.balance("bob")) == (1000, 1000)
    assert switched.before.deliver() == 0
    assert switched.host.state.settings.delivery == "transaction"
    assert len(purchases) == len(switched.host.ledger())


def test_what_fails_in_the_new_manner_keeps_nothing_and_is_tried_again(
    switched: Switched, clock: Clock
) -> None:
    switched.before.buy()
    switched.error = RuntimeError("not today")
    assert switched.deliver() == 0
    assert switched.host.ledger() == []
    (grant,) = switched.host.grants()
    assert (grant["attempts"], grant["last_error"]) == (1, "RuntimeError")
    assert grant["next_attempt_at"] == clock.now + dt.timedelta(seconds=1)
    switched.error = None
    assert switched.deliver() == 0
    clock.pass_by(seconds=1)
    assert (switched.deliver(), switched.host.ledger()) == (1, [1000])


def test_a_grant_that_was_taken_meanwhile_is_not_booked_in_the_new_manner(
    switched: Switched, clock: Clock
) -> None:
    """Ours is claimed, sleeps, and finds it delivered: the ledger has nothing from us."""
    from flask_stripe_credits.outbox import claim_next, hand_over

    switched.before.buy()
    with switched.host.app.app_context():
        claim = claim_next(switched.host.state, None, None)
        assert claim is not None
        clock.pass_by(seconds=61)
        assert switched.before.deliver() == 1
        hand_over(switched.host.state, switched.host.app, claim)
    assert (switched.calls, switched.host.ledger()) == ([], [])


def test_everything_was_delivered_before_switching_to_the_outbox(database_url: str) -> None:
    host = make_host(database_url)
    purchase = host.add_purchase()
    host.pay(purchase)
    after = make_shop(database_url)
    assert after.deliver() == 0
    after.refund(host.purchase(purchase["id"]))
    assert after.deliver() == 1
    assert (host.ledger(), after.manager.called) == ([1000], [-1000])
    with host.app.app_context(), host.db.engine.connect() as connection:
        table = host.credits.Grant.__table__
        undelivered = sa.select(sa.func.count()).where(table.c.delivered_at.is_(None))
        assert connection.scalar(undelivered) == 0


def test_what_fails_at_the_commit_is_tried_again_later_and_ends_no_worker(
    postgres_database_url: str,
) -> None:
    before = make_shop(postgres_database_url)

    def leave_it_to_the_commit(session: Session) -> None:
        session.execute(sa.text("INSERT INTO child VALUES (1)"))

    host = make_host(postgres_database_url, receiver=leave_it_to_the_commit)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        connection.execute(
            sa.text(
                "CREATE TABLE child (parent_id INTEGER"
                " REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"
            )
        )
    before.buy()
    with host.app.app_context():
        assert host.credits.deliver_due() == 0
    (grant,) = host.grants()
    assert (grant["delivered_at"], grant["attempts"]) == (None, 1)
    assert "IntegrityError" in grant["last_error"]
    assert grant["next_attempt_at"] > grant["created_at"]
