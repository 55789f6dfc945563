"""The ways in which a host can tell SQLite's driver, and SQLAlchemy, when to begin and commit."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from .hosts import Host

EngineOptions = dict[str, Any]

SQLITE_MODES: dict[str, EngineOptions] = {
    "default": {},
    "deferred": {"connect_args": {"isolation_level": "DEFERRED"}},
    "immediate": {"connect_args": {"isolation_level": "IMMEDIATE"}},
    "exclusive": {"connect_args": {"isolation_level": "EXCLUSIVE"}},
    "driver never begins": {"connect_args": {"isolation_level": None}},
    "autocommit": {"isolation_level": "AUTOCOMMIT"},
    "begin event": {"connect_args": {"isolation_level": None}},
    "begin immediate event": {"connect_args": {"isolation_level": None}},
}
AUTOCOMMIT_MODES: dict[str, EngineOptions] = {"autocommit": {"isolation_level": "AUTOCOMMIT"}}

if sys.version_info >= (3, 12):
    SQLITE_MODES |= {
        "autocommit attribute": {"connect_args": {"autocommit": True}},
        "no autocommit attribute": {"connect_args": {"autocommit": False}},
    }
# SQLAlchemy 2.0.43 and newer: no ROLLBACK is sent for what the driver would have committed.
if "skip_autocommit_rollback" in inspect.signature(DefaultDialect.__init__).parameters:
    AUTOCOMMIT_MODES["autocommit without rollback"] = {
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
    }
    SQLITE_MODES |= AUTOCOMMIT_MODES

_BEGINS = {"begin event": "BEGIN", "begin immediate event": "BEGIN IMMEDIATE"}


def with_timeout(options: EngineOptions, seconds: float) -> EngineOptions:
    """The same options and how long SQLite waits for a lock."""
    return options | {"connect_args": options.get("connect_args", {}) | {"timeout": seconds}}


def prepare(host: Host, mode: str, journal_mode: str = "delete") -> sa.Engine:
    """Have the host's engine do what its options can't say; return it."""
    with host.app.app_context():
        engine = host.db.engine
    engine.dispose()

    @sa.event.listens_for(engine, "connect")
    def set_journal_mode(connection: Any, record: Any) -> None:
        if getattr(connection, "autocommit", None) is False:
            # The driver has begun already, where the mode can't be changed.
            connection.rollback()
            connection.autocommit = True
            connection.execute(f"PRAGMA journal_mode={journal_mode}").close()
            connection.autocommit = False
            return
        connection.execute(f"PRAGMA journal_mode={journal_mode}").close()

    if mode in _BEGINS:

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(_BEGINS[mode])

    return engine
