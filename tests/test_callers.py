"""Who else records payments: a command of the host's, and a test suite that wraps it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Response, g
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.errors import ReceiverFailed
from flask_stripe_credits.facts import SessionNews, record_session
from flask_stripe_credits.fulfillment import settle
from flask_stripe_credits.stripe_objects import CheckoutSession

from .driver_modes import prepare
from .hosts import Host, make_host
from .payloads import checkout_session


@pytest.mark.parametrize("fails", [False, True])
def test_a_command_of_the_hosts_gets_its_own_session_back(host: Host, fails: bool) -> None:
    """The command has loaded, committed and begun to write before it comes to us."""
    purchase = host.add_purchase()
    paid = CheckoutSession.from_payload(checkout_session(purchase))

    @host.credits.on_purchase_completed
    def fail(grant: GrantSnapshot) -> None:
        if fails:
            raise RuntimeError("not today")

    @host.app.cli.command("import-payments")
    def import_payments() -> None:
        session = host.db.session()
        row = host.db.session.get(host.credits.Purchase, purchase["id"])
        assert row.status == "pending"
        host.db.session.commit()
        host.db.session.add(host.LedgerEntry(id="the command's", user_id="bob", credits=7))
        try:
            settle(
                host.state,
                lambda uow: record_session(uow, paid, SessionNews.COMPLETED),
                cause="import",
            )
        finally:
            assert host.db.session() is session
            host.db.session.commit()
            assert row.status == ("pending" if fails else "completed")

    result = host.app.test_cli_runner().invoke(args=["import-payments"])
    assert (result.exit_code != 0) is fails, result.output
    assert host.ledger("bob") == [7]
    assert host.ledger("alice") == ([] if fails else [1000])
    assert (host.purchase(purchase["id"]) == purchase) is fails


def changes(session: Session, entry: Any, grant: GrantSnapshot) -> None:
    entry.credits += grant.credits


def adds(session: Session, entry: Any, grant: GrantSnapshot) -> None:
    session.add(type(entry)(id=grant.id, user_id=grant.user_id, credits=grant.credits))


def deletes(session: Session, entry: Any, grant: GrantSnapshot) -> None:
    session.delete(entry)


@pytest.mark.parametrize("act", [changes, adds, deletes])
def test_C17_a_receiver_that_changes_what_a_view_has_loaded_leaves_nothing_behind(
    database_url: str, act: Callable[[Session, Any, GrantSnapshot], None]
) -> None:
    """It would be lost with a 200, or committed by the host though we answered 503."""
    wrong = [True]

    def load_the_balance() -> None:
        g.session = host.db.session()
        g.balance = host.db.session.get(host.LedgerEntry, "balance")

    def save(response: Response) -> Response:
        host.db.session.commit()
        return response

    def before_init(made: Host) -> None:
        made.app.before_request(load_the_balance)
        made.app.after_request(save)

    def book(grant: GrantSnapshot, session: Session) -> None:
        if wrong:
            act(g.session, g.balance, grant)
        else:
            act(session, session.get(host.LedgerEntry, "balance"), grant)

    host = make_host(database_url, receiver=book, before_init=before_init)
    with host.app.app_context():
        host.db.session.add(host.LedgerEntry(id="balance", user_id="alice", credits=7))
        host.db.session.commit()
    purchase = host.add_purchase()
    assert host.pay(purchase).status_code == 503
    assert (host.ledger(), host.grants()) == ([7], [])
    wrong.clear()
    assert host.pay(purchase).status_code == 200
    assert sorted(host.ledger()) == {changes: [1007], adds: [7, 1000], deletes: []}[act]


def test_a_receiver_may_read_what_a_view_has_loaded(host: Host) -> None:
    """And set it to what it is already: nothing would be lost."""

    @host.credits.on_grant
    def note(grant: GrantSnapshot) -> None:
        entry.credits = int(entry.credits)

    with host.app.app_context():
        entry = host.LedgerEntry(id="balance", user_id="bob", credits=7)
        host.db.session.add(entry)
        host.db.session.commit()
        paid = CheckoutSession.from_payload(checkout_session(host.add_purchase()))
        settle(
            host.state,
            lambda uow: record_session(uow, paid, SessionNews.COMPLETED),
            cause="import",
        )
    assert sorted(host.ledger()) == [7, 1000]


@contextmanager
def _session_replaced(host: Host) -> Iterator[sa.Connection]:
    """What a host's own conftest.py does: every session of a test is on one connection."""
    with host.app.app_context(), host.db.engine.connect() as connection:
        transaction = connection.begin()
        original = host.db.session
        factory = sessionmaker(bind=connection, join_transaction_mode="create_savepoint")
        host.db.session = scoped_session(factory)  # type: ignore[assignment]
        try:
            yield connection
        finally:
            host.db.session.remove()
            host.db.session = original
            transaction.rollback()


def test_a_host_whose_tests_replace_db_session_sees_the_grant_and_rolls_it_back(
    database_url: str,
) -> None:
    fails = [True]

    def book(grant: GrantSnapshot, session: Session) -> None:
        host.db.session.add(
            host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits)
        )
        host.db.session.commit()
        if fails:
            fails.pop()
            raise RuntimeError("not today")

    host = make_host(database_url, receiver=book)
    if database_url.startswith("sqlite"):
        # Python's driver begins too late for savepoints; SQLAlchemy's documentation says this.
        prepare(host, "begin event")
    purchase = host.add_purchase()
    before = host.row_counts()
    booked = sa.select(host.LedgerEntry.__table__.c.credits)
    with _session_replaced(host) as connection:
        host.db.session.add(host.LedgerEntry(id="the host's", user_id="bob", credits=7))
        host.db.session.commit()
        assert host.pay(purchase).status_code == 503
        assert connection.scalars(booked).all() == [7]
        for _ in range(2):
            assert host.pay(purchase).status_code == 200
        assert sorted(connection.scalars(booked)) == [7, 1000]
    assert host.row_counts() == before
    assert host.purchase(purchase["id"]) == purchase


def test_C17_a_session_that_a_receiver_keeps_leaves_a_hosts_transaction_alone(
    database_url: str,
) -> None:
    kept: list[Session] = []

    def book(grant: GrantSnapshot, session: Session) -> None:
        kept.append(session)
        session.add(host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
        if len(kept) == 1:
            session.close()

    host = make_host(database_url, receiver=book)
    if database_url.startswith("sqlite"):
        prepare(host, "begin event")
    purchase = host.add_purchase()
    booked = sa.select(host.LedgerEntry.__table__.c.credits)
    with _session_replaced(host) as connection:
        assert host.pay(purchase).status_code == 503
        assert connection.scalars(booked).all() == []
        assert host.pay(purchase).status_code == 200
        for session in kept:
            session.add(host.LedgerEntry(id="late", user_id="alice", credits=1))
            with pytest.raises(ReceiverFailed):
                session.commit()
            session.close()
        assert connection.scalars(booked).all() == [1000]


def test_a_deadlock_inside_a_hosts_transaction_is_not_tried_again(
    database_url: str,
) -> None:
    """Only whoever began the transaction can begin it anew: 503 at once."""
    tries: list[str] = []

    def give_up(grant: GrantSnapshot) -> None:
        tries.append(grant.id)
        raise sa.exc.OperationalError("", {}, Exception("database is locked"))

    host = make_host(database_url, receiver=give_up)
    purchase = host.add_purchase()
    with _session_replaced(host):
        assert host.pay(purchase).status_code == 503
    assert len(tries) == 1
