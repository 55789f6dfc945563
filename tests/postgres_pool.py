"""PostgreSQL's databases of one worker, lent to tests and used again where that is safe.

A database with the tables of a host costs a multiple of what most tests do with it. So whoever
wants the tables in an empty database gets one that another test has had: its rows are deleted, and
whatever else a test may have done to it (a column, an index, a lock that somebody still holds)
has it dropped instead.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable

import psycopg
import sqlalchemy as sa

_numbers = itertools.count()
# Every object that is no part of PostgreSQL, with the transaction that changed it last. A table
# that has grown counts as changed, since nothing vacuums it; so do statistics.
_STATE = """
WITH ours(line) AS (
  SELECT concat_ws(':', oid, xmin, reltuples, pg_relation_size(oid) / 262144)
    FROM pg_class WHERE oid >= 16384
  UNION ALL SELECT concat_ws(':', attrelid, attnum, xmin) FROM pg_attribute WHERE attrelid >= 16384
  UNION ALL SELECT concat_ws(':', starelid, staattnum, xmin) FROM pg_statistic
    WHERE starelid >= 16384
  UNION ALL SELECT concat_ws(':', oid, xmin) FROM pg_constraint WHERE oid >= 16384
  UNION ALL SELECT concat_ws(':', oid, xmin) FROM pg_trigger
  UNION ALL SELECT concat_ws(':', oid, xmin) FROM pg_proc WHERE oid >= 16384
  UNION ALL SELECT concat_ws(':', oid, xmin) FROM pg_type WHERE oid >= 16384
  UNION ALL SELECT concat_ws(':', oid, xmin) FROM pg_extension
  UNION ALL SELECT concat_ws(':', oid, xmin) FROM pg_event_trigger
  UNION ALL SELECT concat_ws(':', oid, xmin) FROM pg_namespace
    WHERE nspname !~ '^pg_(toast_)?temp_'
  UNION ALL SELECT concat_ws(':', setrole, xmin) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM ours
"""
# Not by DELETE: what it leaves behind changes plans, and the order in which rows are found.
_EMPTY_ALL = """
DO $$ BEGIN
  SET LOCAL session_replication_role = replica;
  EXECUTE (
    SELECT 'TRUNCATE ' || string_agg(oid::regclass::text, ', ')
      FROM pg_class WHERE oid >= 16384 AND relkind = 'r'
  );
END $$
"""


class Pool:
    """The databases of one worker.

    :param server: the SQLAlchemy URL of the server's database ``postgres``.
    :param administrator: a connection to it, in autocommit.
    """

    def __init__(self, server: str, administrator: psycopg.Connection) -> None:
        self._server = server
        self._administrator = administrator
        # Nobody has ever connected to these.
        self._empty: list[str] = []
        # With tables and without rows, and what state that is.
        self._furnished: dict[str, str] = {}
        # What a test has; the state only where the tables are those of a host.
        self._lent: dict[str, str | None] = {}

    def lend(self) -> str:
        """Return the URL of an empty database, of a name that was never used."""
        name = self._new_name()
        if self._empty:
            self._rename(self._empty.pop(), name)
        else:
            # Copying files takes half as long as logging blocks.
            self._execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        self._lent[name] = None
        return self._url(name)

    def furnish(self, url: str, make_tables: Callable[[], object]) -> None:
        """See that there are a host's tables in the database of ``url``.

        Before anybody else has done anything to it; afterwards, or where it isn't one of ours,
        ``make_tables`` does what it always does.
        """
        name = sa.make_url(url).database or ""
        if self._lent.get(name, "") is not None or self._is_used(name):
            make_tables()
        elif self._furnished:
            spare = self._new_name()
            self._rename(name, spare)
            self._empty.append(spare)
            other, state = self._furnished.popitem()
            self._rename(other, name)
            self._lent[name] = state
        else:
            make_tables()
            with self._connect(name) as connection:
                self._lent[name] = self._state(connection)

    def take_back(self, url: str) -> None:
        """Keep a database whose tables are as they were; drop any other."""
        name = sa.make_url(url).database or ""
        state = self._lent.pop(name)
        if state is not None and self._is_left(name):
            kept = self._new_name()
            self._rename(name, kept)
            name = kept
            with self._connect(name) as connection:
                if self._state(connection) == state:
                    connection.execute(_EMPTY_ALL)
                    self._furnished[name] = self._state(connection)
                    return
        self._drop(name)

    def close(self) -> None:
        for name in (*self._lent, *self._empty, *self._furnished):
            self._drop(name)

    def _new_name(self) -> str:
        return f"test_{os.getpid()}_{next(_numbers)}"

    def _url(self, name: str) -> str:
        return self._server.replace("/postgres?", f"/{name}?")

    def _connect(self, name: str) -> psycopg.Connection:
        return psycopg.connect(self._url(name).replace("+psycopg", "", 1), autocommit=True)

    def _execute(self, statement: str) -> psycopg.Cursor:
        return self._administrator.execute(statement)

    def _rename(self, name: str, new: str) -> None:
        self._execute(f"ALTER DATABASE {name} RENAME TO {new}")

    def _drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _is_used(self, name: str) -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        (connections,) = self._administrator.execute(query, [name]).fetchone() or (0,)
        return bool(connections)

    def _is_left(self, name: str) -> bool:
        """Whether all have gone: a connection that was closed takes a moment to end."""
        deadline = time.monotonic() + 0.5
        while self._is_used(name):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    @staticmethod
    def _state(connection: psycopg.Connection) -> str:
        (state,) = connection.execute(_STATE).fetchone() or ("",)
        return str(state)
