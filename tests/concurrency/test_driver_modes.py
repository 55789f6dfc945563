"""A transaction that failed leaves nothing open, whatever the driver was told.

What stays open in a pooled connection keeps its locks and its writes: the next delivery would
find the credits posted, answer 200, and have nothing durable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.unit_of_work import UnitOfWork

from ..driver_modes import AUTOCOMMIT_MODES, SQLITE_MODES, prepare, with_timeout
from ..hosts import Host, make_host

ONE_CONNECTION = {"pool_size": 1, "max_overflow": 0}
SHORT = 0.02


def ends_the_transaction(session: Session) -> None:
    session.flush()
    session.connection().rollback()


def commits_behind_our_back(session: Session) -> None:
    session.flush()
    session.connection().commit()


def ends_it_by_hand(session: Session) -> None:
    session.flush()
    session.execute(sa.text("ROLLBACK"))


def raises(session: Session) -> None:
    raise RuntimeError("the credit manager is broken")


BAD = (ends_the_transaction, commits_behind_our_back, ends_it_by_hand, raises)
MODES = [("sqlite", mode) for mode in SQLITE_MODES] + [("postgresql", m) for m in AUTOCOMMIT_MODES]


class Booking:
    """A receiver that books, then does something else, until it is told to behave."""

    def __init__(self) -> None:
        self.host: Host
        self.afterwards: Callable[[Session], object] | None = None

    def __call__(self, grant: GrantSnapshot, session: Session) -> None:
        entry = self.host.LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits)
        session.add(entry)
        if self.afterwards is not None:
            self.afterwards(session)


def _booking_host(url: str, mode: str, journal_mode: str = "delete") -> tuple[Host, Booking]:
    if url.startswith("sqlite"):
        options = with_timeout(SQLITE_MODES[mode], SHORT)
    else:
        options = AUTOCOMMIT_MODES[mode]
    booking = Booking()
    host = booking.host = make_host(
        url,
        receiver=lambda grant, session: booking(grant, session),
        SQLALCHEMY_ENGINE_OPTIONS=options | ONE_CONNECTION,
    )
    if url.startswith("sqlite"):
        prepare(host, mode, journal_mode)
    return host, booking


def _other_process(host: Host) -> sa.Engine:
    options = {"timeout": SHORT, "isolation_level": None} if "sqlite" in host.db_url else {}
    return sa.create_engine(host.db_url, poolclass=sa.pool.NullPool, connect_args=options)


def _durable_ledger(host: Host) -> list[int]:
    """What another process sees: the host's own connection also sees what it didn't commit."""
    with _other_process(host).connect() as connection:
        return list(connection.scalars(sa.select(host.LedgerEntry.__table__.c.credits)))


def _lose_what_isnt_durable(host: Host) -> None:
    with host.app.app_context():
        host.db.engine.dispose()


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
@pytest.mark.parametrize(("kind", "mode"), MODES)
def test_C17_a_receiver_that_ends_the_transaction_leaves_none_open(
    new_database: Callable[[str], str], kind: str, mode: str, bad: Callable[[Session], None]
) -> None:
    host, booking = _booking_host(new_database(kind), mode)
    purchase = host.add_purchase()
    booking.afterwards = bad
    assert host.pay(purchase).status_code == 503 or _durable_ledger(host) == [1000]
    booking.afterwards = None
    assert host.pay(purchase).status_code == 200
    _lose_what_isnt_durable(host)
    assert _durable_ledger(host) == [1000]


def _status_while_somebody_reads(host: Host, purchase: dict[str, Any], booking: Booking) -> int:
    """Deliver while another process is in the middle of a SELECT: without WAL, no COMMIT passes."""
    with _other_process(host).connect() as reader:

        def start_reading(session: Session) -> None:
            session.flush()
            if not reader.in_transaction():
                reader.exec_driver_sql("BEGIN")
                reader.exec_driver_sql("SELECT count(*) FROM credit_purchases").all()

        booking.afterwards = start_reading
        status = host.pay(purchase).status_code
    booking.afterwards = None
    return status


@pytest.mark.parametrize("mode", [mode for mode in SQLITE_MODES if mode != "exclusive"])
def test_C10_a_commit_that_readers_keep_waiting_is_503_and_leaves_no_lock(
    new_database: Callable[[str], str], mode: str
) -> None:
    host, booking = _booking_host(new_database("sqlite"), mode)
    purchase = host.add_purchase()
    assert _status_while_somebody_reads(host, purchase, booking) == 503
    assert _durable_ledger(host) == []
    assert host.pay(purchase).status_code == 200
    _lose_what_isnt_durable(host)
    assert _durable_ledger(host) == [1000]


@pytest.mark.parametrize("mode", ["default", *list(AUTOCOMMIT_MODES)[1:]])
def test_C10_the_test_sees_a_transaction_that_is_left_open(
    new_database: Callable[[str], str], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UnitOfWork, "_roll_back_in_the_driver", lambda uow: None)
    host, booking = _booking_host(new_database("sqlite"), mode)
    purchase = host.add_purchase()
    assert _status_while_somebody_reads(host, purchase, booking) == 503
    with pytest.raises(sa.exc.OperationalError, match="locked"):
        _durable_ledger(host)
