"""Databases for the benchmarks: PostgreSQL with its usual settings, and files of SQLite's."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa

from ..postgres_keeper import Server
from .processes import children, cpu_seconds, cpu_seconds_of_the_gone

TITLES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
# The tests' server is careless with its disk; a real one writes its log before it says yes.
_CAREFUL = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on"}


class Databases:
    """Makes empty databases of one kind."""

    def __init__(self, kind: str, directory: Path, server: Server | None) -> None:
        self.kind = kind
        self._directory, self._server = directory, server
        self._numbers = itertools.count()

    def create(self) -> str:
        """Return the SQLAlchemy URL of one more empty database."""
        number = next(self._numbers)
        if self._server is None:
            file = self._directory / f"{number}.sqlite"
            with contextlib.closing(sqlite3.connect(file)) as connection:
                # As SQLite's own pages advise for servers; the file remembers it.
                connection.execute("PRAGMA journal_mode = WAL")
            return f"sqlite:///{file}"
        engine = sa.create_engine(self._server.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE bench_{number}")
        engine.dispose()
        return self._server.url.replace("/postgres?", f"/bench_{number}?")

    def processes(self) -> Sequence[int]:
        """The server's processes, the one that started the others first; none for SQLite."""
        if self._server is None:
            return []
        first = int((self._server.data / "postmaster.pid").read_text().split()[0])
        return [first, *children(first)]

    def clock(self) -> Callable[[], float]:
        """CPU seconds of this process and the database's, of those that help one query, too."""
        pids = self.processes()

        def seconds() -> float:
            gone = cpu_seconds_of_the_gone(pids[0]) if pids else 0.0
            return time.process_time() + cpu_seconds(pids) + gone

        return seconds

    def version(self) -> str:
        engine = sa.create_engine(self.create())
        with engine.connect() as connection:
            number = ".".join(map(str, connection.dialect.server_version_info or ()))
        engine.dispose()
        return f"{self.kind} {number}"


@contextlib.contextmanager
def databases(kind: str) -> Iterator[Databases]:
    """Databases of ``sqlite`` or ``postgresql``, gone afterwards."""
    # In memory where that is possible: how slow this disk is would be added to every side.
    memory = Path("/dev/shm")
    in_memory = memory if kind == "sqlite" and os.access(memory, os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="fsb-", dir=in_memory))
    server = Server(directory) if kind == "postgresql" else None
    if server is not None:
        server.create()
        server.start(**_CAREFUL)
    try:
        yield Databases(kind, directory, server)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(directory)
