"""Read without writing, and see one moment of the database, beside whatever else goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from .state import AppState
from .unit_of_work import bind_of_writes, database_trouble, kind_of_trouble, outage_error

ROWS_AT_A_TIME = 1_000


@contextlib.contextmanager
def reading(state: AppState) -> Iterator[sa.Connection]:
    """A connection whose statements all see the same moment. Nothing can be waiting for it.

    Keep it short: on SQLite without WAL nobody can commit meanwhile. Inside a host's own
    transaction (a test suite that wraps everything in one) it reads on that connection.

    :raises DatabaseBusy: the database can't be read now.
    :raises TablesOutOfDate: our tables or columns are missing.
    """
    factory = state.db.session.session_factory
    bind = bind_of_writes(state, factory.class_(**factory.kw))
    try:
        if isinstance(bind, sa.Connection):
            yield bind
        else:
            with bind.connect() as connection, _one_moment(connection):
                yield connection
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        trouble = database_trouble(error)
        if trouble is None:
            raise
        state.measurements.database_failed(kind_of_trouble(trouble, error))
        raise outage_error(trouble, error) from error


@contextlib.contextmanager
def _one_moment(connection: sa.Connection) -> Iterator[None]:
    if connection.dialect.name == "postgresql":
        # Under READ COMMITTED each statement would see a later moment than the one before.
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with connection.begin():
        driver: Any = connection.connection.dbapi_connection
        by_hand = connection.dialect.name == "sqlite" and not driver.in_transaction
        if by_hand:
            # The driver itself begins nothing for a SELECT.
            connection.exec_driver_sql("BEGIN")
        try:
            yield
        finally:
            if by_hand and not connection.invalidated:
                connection.exec_driver_sql("ROLLBACK")


def read_pages(
    state: AppState, query: sa.Select[Any], key: sa.ColumnElement[Any]
) -> Iterator[sa.Row[tuple[Any, ...]]]:
    """Yield the rows of ``query`` by ``key``, its first column, a thousand at a time.

    Nothing is held open while the caller works on them. What changes meanwhile may be seen or not.
    """
    page = query.order_by(key).limit(ROWS_AT_A_TIME)
    while True:
        with reading(state) as connection:
            rows = connection.execute(page).all()
        yield from rows
        if len(rows) < ROWS_AT_A_TIME:
            return
        page = query.where(key > rows[-1][0]).order_by(key).limit(ROWS_AT_A_TIME)
