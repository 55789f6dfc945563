"""A connection on which one process at a time migrates the tables."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import sqlalchemy as sa

from .errors import MigrationRefused
from .logs import Log

log: Log = Log(__name__)

_SECONDS_BETWEEN_TRIES = 0.1
_SQLITE_BUSY_MILLISECONDS = 600_000
# Any number will do, as long as every process uses the same.
_POSTGRESQL_LOCK = int.from_bytes(b"fs_credt", "big")


@contextlib.contextmanager
def migration_lock(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a connection once no other process holds this lock; wait for as long as it takes.

    On PostgreSQL it isn't in a transaction yet. On SQLite it is in one that holds the write lock:
    it is committed at the end, or rolled back if the block raises. Foreign keys aren't enforced in
    it: a revision that makes a table anew would delete, or unlink, what refers to its rows
    (https://www.sqlite.org/lang_altertable.html#otheralter).

    :raises MigrationRefused: when the database is neither PostgreSQL nor SQLite.
    """
    lock = {"postgresql": _lock_postgresql, "sqlite": _lock_sqlite}.get(engine.dialect.name)
    if lock is None:
        raise MigrationRefused(
            f"flask-stripe-credits works on PostgreSQL and SQLite, not on {engine.dialect.name}"
        )
    with engine.connect() as connection, lock(connection):
        yield connection


@contextlib.contextmanager
def _lock_postgresql(connection: sa.Connection) -> Iterator[None]:
    connection.execution_options(isolation_level="READ COMMITTED")
    # Trying is better than waiting in the database: whoever waits there holds a snapshot, and a
    # CREATE INDEX CONCURRENTLY of the process that has the lock would wait for that one in turn.
    while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_POSTGRESQL_LOCK))):
        connection.rollback()
        log.info(
            "migration_waits", "another process is migrating the credit tables; waiting for it"
        )
        time.sleep(_SECONDS_BETWEEN_TRIES)
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(sa.select(sa.func.pg_advisory_unlock(_POSTGRESQL_LOCK)))
        connection.commit()


@contextlib.contextmanager
def _lock_sqlite(connection: sa.Connection) -> Iterator[None]:
    # The driver's own transactions begin too late: after the first write, and never before DDL.
    connection.execution_options(isolation_level="AUTOCOMMIT")
    patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    enforced = connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_SQLITE_BUSY_MILLISECONDS}")
    # Within a transaction this would do nothing.
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.commit()
    try:
        _begin_immediately(connection)
        try:
            yield
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {patience}")
        connection.exec_driver_sql(f"PRAGMA foreign_keys = {enforced}")
        connection.commit()


def _begin_immediately(connection: sa.Connection) -> None:
    connection.begin()
    driver_connection = connection.connection.dbapi_connection
    if driver_connection is not None and driver_connection.in_transaction:
        # A listener of the host's began one, without the write lock.
        connection.exec_driver_sql("ROLLBACK")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
