"""Who else records payments: a command of the host's, and a test suite that wraps it all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from flask_stripe_credits import GrantSnapshot
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
