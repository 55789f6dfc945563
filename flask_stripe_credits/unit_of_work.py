"""The transaction in which facts are recorded and receivers run.

One connection, one transaction, opened with a write lock on SQLite. The host's receivers see it
as ``db.session``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import TracebackType
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .errors import DatabaseBusy, ReceiverFailed, TablesOutOfDate
from .joined_session import SPOILED, changes_in, refuse_changes, take_back_changes
from .logs import Log
from .measurements import DatabaseTrouble
from .models import Models
from .state import AppState
from .statements import Statements

log: Log = Log(__name__)

T = TypeVar("T")

MAX_TRIES = 4
# No new try after this: Stripe's checkout page waits ten seconds for our answer.
LONGEST_RETRY_SECONDS = 5.0

# https://www.postgresql.org/docs/current/errcodes-appendix.html
# serialization_failure, deadlock_detected, lock_not_available
_SQLSTATES_WORTH_ANOTHER_TRY = frozenset({"40001", "40P01", "55P03"})
# undefined_table, undefined_column
_SQLSTATES_OF_MISSING_TABLES = frozenset({"42P01", "42703"})
# query_canceled (statement_timeout), lock_not_available (lock_timeout), transaction_timeout
_SQLSTATES_OF_TIMEOUTS = frozenset({"57014", "55P03", "25P04"})
# What SQLite says: of a table, of a column that is read, and of one that is written.
_SQLITE_MISSES = ("no such table", "no such column", "has no column named")
# connection, invalid transaction state (read only), resources, operator intervention, system
_SQLSTATE_CLASSES_OF_OUTAGES = frozenset({"08", "25", "53", "57", "58"})


def in_transaction(state: AppState, work: Callable[[UnitOfWork], T]) -> T:
    """Run ``work`` in one transaction, commit it, then run what it left for after the commit.

    The whole transaction is repeated, a few times and with a short random pause, when the
    database gave up on it (deadlock, serialization failure, ``database is locked``) or the
    connection was lost; what ``work`` does must be safe to repeat. Inside a host's own
    transaction (a test suite that wraps everything in one) there is a savepoint and no retry.

    :raises DatabaseBusy: when the last try failed so, or the database can't be used at all.
    :raises TablesOutOfDate: when our tables or columns are missing.
    """
    deadline = time.monotonic() + LONGEST_RETRY_SECONDS
    for attempt in itertools.count(1):
        uow = UnitOfWork(state)
        try:
            with uow:
                result = work(uow)
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            trouble = database_trouble(error)
            if trouble is None:
                raise
            tries_left = attempt < MAX_TRIES and time.monotonic() < deadline
            if trouble is not Trouble.PASSING or not tries_left or not uow.owns_connection:
                state.measurements.database_failed(kind_of_trouble(trouble, error))
                raise outage_error(trouble, error) from error
            state.measurements.database_retried()
            log.info(
                "transaction_retried", "transaction tried again after %s", type(error).__name__
            )
            time.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311 - jitter
        else:
            uow.run_after_commit()
            return result
    raise AssertionError("unreachable")


class Trouble(Enum):
    """Why the database didn't do what it was told, as far as it isn't a bug."""

    PASSING = "worth another try at once"
    DOWN = "worth another try later"
    NO_TABLES = "our tables or columns are missing"


def database_trouble(error: BaseException) -> Trouble | None:
    """Tell what kind of trouble ``error`` is, None for every other exception."""
    if isinstance(error, sa.exc.TimeoutError):
        return Trouble.DOWN
    if not isinstance(error, sa.exc.DBAPIError):
        return None
    if error.connection_invalidated:
        return Trouble.PASSING
    state = _sqlstate(error.orig)
    if state is not None:
        if state in _SQLSTATES_WORTH_ANOTHER_TRY:
            return Trouble.PASSING
        if state in _SQLSTATES_OF_MISSING_TABLES:
            return Trouble.NO_TABLES
        return Trouble.DOWN if state[:2] in _SQLSTATE_CLASSES_OF_OUTAGES else None
    if not isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)):
        return None
    message = str(error.orig)
    if any(told in message for told in _SQLITE_MISSES):
        return Trouble.NO_TABLES
    return Trouble.PASSING if "is locked" in message else Trouble.DOWN


def _sqlstate(error: BaseException | None) -> str | None:
    """PostgreSQL's code, as psycopg, psycopg2 or pg8000 tell it."""
    found = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if found is None and error is not None and error.args and isinstance(error.args[0], dict):
        found = error.args[0].get("C")
    return found


def kind_of_trouble(trouble: Trouble, error: Exception) -> DatabaseTrouble:
    """What ``error`` counts as where operators look."""
    if trouble is Trouble.NO_TABLES:
        return DatabaseTrouble.NO_TABLES
    driver = getattr(error, "orig", None)
    timed_out = _sqlstate(driver) in _SQLSTATES_OF_TIMEOUTS
    # A driver that waited for a connection has no state to tell.
    if timed_out or isinstance(error, sa.exc.TimeoutError) or "timeout" in str(driver):
        return DatabaseTrouble.TIMEOUT
    return DatabaseTrouble.BUSY if trouble is Trouble.PASSING else DatabaseTrouble.DOWN


def outage_error(trouble: Trouble, error: Exception) -> DatabaseBusy | TablesOutOfDate:
    """Return what to raise, or answer, for ``error``."""
    if trouble is Trouble.NO_TABLES:
        return TablesOutOfDate(
            "the tables of flask-stripe-credits are missing or out of date: "
            "run `flask credits db upgrade`"
        )
    return DatabaseBusy(f"the database gave up: {type(error).__name__}")


def bind_of_writes(state: AppState, session: Session) -> sa.Engine | sa.Connection:
    """Where ``session`` writes our tables: a host may send reads to a replica that lags."""
    return session.get_bind(clause=state.a_write)


class UnitOfWork:
    """One transaction of ours. Use it through :func:`in_transaction`.

    :ivar now: aware UTC, the same for all that is written in it.
    :ivar owns_connection: False inside a transaction of the host's.
    """

    def __init__(self, state: AppState) -> None:
        self.state = state
        self.models: Models = state.models
        self.now: dt.datetime = dt.datetime.now(dt.UTC)
        self.owns_connection: bool = True
        self._begun_by_hand = False
        self._after_commit: list[Callable[[], object]] = []

    def __enter__(self) -> UnitOfWork:
        factory = self.state.db.session.session_factory
        options = {**factory.kw, "join_transaction_mode": "rollback_only"}
        # Ours is begun already, and in one phase; and it is used again for another grant.
        options |= {"twophase": False, "close_resets_only": True}
        self._session: Any = self.state.joined_session_class(factory.class_)(**options)
        bind = bind_of_writes(self.state, self._session)
        self.owns_connection = isinstance(bind, sa.Engine)
        self.connection: sa.Connection = bind.connect() if isinstance(bind, sa.Engine) else bind
        try:
            self.sql: Statements = self.state.statements(self.connection.dialect.name)
            if self.connection.in_transaction():
                # Before the savepoint: SQLite commits an outermost one when it is released.
                self._open_transaction()
                self._transaction: sa.Transaction = self.connection.begin_nested()
            else:
                self._transaction = self.connection.begin()
                self._open_transaction()
        except BaseException:
            if self.owns_connection:
                self.connection.close()
            raise
        return self

    def _open_transaction(self) -> None:
        """Have the database begin, on SQLite with the write lock, whatever the driver does.

        A driver in autocommit mode begins nothing by itself: every statement would be final.
        """
        connection = self.connection
        driver: Any = connection.connection.dbapi_connection
        if connection.dialect.name == "sqlite":
            # A SELECT or SAVEPOINT first would not take the lock, and a reader that turns
            # writer fails at once, whatever the busy timeout.
            connection.execute(self.sql.take_write_lock)
            begin, has_begun = "BEGIN IMMEDIATE", driver.in_transaction
        else:
            begin, has_begun = "BEGIN", not getattr(driver, "autocommit", False)
        if not has_begun:
            connection.exec_driver_sql(begin)
            self._begun_by_hand = self.owns_connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        committed = False
        self._session.let_go()
        try:
            if error is None:
                if self._begun_by_hand:
                    self.connection.exec_driver_sql("COMMIT")
                self._transaction.commit()
                committed = True
            elif self._transaction.is_active:
                self._transaction.rollback()
        finally:
            if self.owns_connection:
                if not committed:
                    self._roll_back_in_the_driver()
                self.connection.close()

    def _roll_back_in_the_driver(self) -> None:
        """End what SQLAlchemy doesn't: it would come back from the pool with its locks and writes.

        After a COMMIT that failed it sends no ROLLBACK, and where the driver is in autocommit
        mode its own sends nothing.
        """
        if self.connection.invalidated or self.connection.closed:
            return
        driver: Any = self.connection.connection.dbapi_connection
        try:
            driver.rollback()
            if self._begun_by_hand and getattr(driver, "in_transaction", True):
                driver.cursor().execute("ROLLBACK")
        except self.connection.dialect.loaded_dbapi.Error:
            self.connection.invalidate()

    def execute(
        self, statement: sa.Executable, params: Mapping[str, Any] | None = None
    ) -> sa.CursorResult[Any]:
        """Run one statement in the transaction."""
        return self.connection.execute(statement, params)

    def after_commit(self, call: Callable[[], object]) -> None:
        """Have ``call`` run once the transaction is committed; its exceptions are logged."""
        self._after_commit.append(call)

    def run_after_commit(self) -> None:
        for call in self._after_commit:
            try:
                call()
            except Exception:
                log.exception(
                    "receiver_failed_later",
                    "a receiver of something already committed failed",
                )

    @contextlib.contextmanager
    def host_session(self) -> Iterator[Session]:
        """While the host's functions run, ``db.session`` is a session on our connection.

        The caller's own session is put back afterwards and expired, never committed or removed.

        :raises ReceiverFailed: when the session was rolled back at its root, closed or removed,
            or the caller's own was changed: the host's writes may be lost, so nothing may be kept.
        """
        registry, session = self.state.db.session.registry, self._session
        session.joined_connection = self.connection
        before = registry() if registry.has() else None
        changes = None if before is None else changes_in(before)
        registry.set(session)
        try:
            yield session
            if session.spoiled or not self._transaction.is_active:
                raise ReceiverFailed(SPOILED)
            if before is not None:
                refuse_changes(before, changes)
            session.commit()
        finally:
            session.is_ending = True
            Session.close(session)
            session.is_ending = False
            if registry.has() and registry() is not session:
                registry().close()
            registry.clear()
            if before is not None:
                registry.set(before)
                take_back_changes(before, changes)
