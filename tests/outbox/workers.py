"""Worker processes that deliver from an outbox and are killed after a booking: a script.

``python -m tests.outbox.workers DATABASE_URL MANAGER WORKERS DIE_EVERY LEASE_SECONDS`` forks
workers, replaces the ones that die, ends when nothing is undelivered, and prints how many died.
``MANAGER`` is the SQLite file of the credit manager elsewhere.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from flask_stripe_credits import GrantSnapshot, outbox

from ..hosts import Host, make_host


def create_manager(path: Path) -> None:
    with closing(sqlite3.connect(path)) as manager, manager:
        manager.execute("PRAGMA journal_mode = WAL")
        manager.execute(
            "CREATE TABLE calls (number INTEGER PRIMARY KEY, id TEXT, purchase_id TEXT,"
            " sequence INTEGER, credits INTEGER)"
        )
        manager.execute("CREATE TABLE entries (id TEXT PRIMARY KEY, credits INTEGER)")


def book(path: Path, grant: GrantSnapshot) -> int:
    """Book a grant's id once; return how many calls there have been."""
    with closing(sqlite3.connect(path, timeout=30)) as manager, manager:
        call = manager.execute(
            "INSERT INTO calls (id, purchase_id, sequence, credits) VALUES (?, ?, ?, ?)",
            (grant.id, grant.purchase_id, grant.sequence, grant.credits),
        )
        manager.execute(
            "INSERT INTO entries VALUES (?, ?) ON CONFLICT DO NOTHING", (grant.id, grant.credits)
        )
        return call.lastrowid or 0


def _work(host: Host) -> None:
    grants = host.credits.Grant.__table__
    undelivered = sa.select(sa.func.count()).where(grants.c.delivered_at.is_(None))
    while True:
        host.credits.deliver_due()
        with host.db.engine.connect() as connection:
            if connection.scalar(undelivered) == 0:
                return
        time.sleep(0.05)


def _fork(host: Host) -> int:
    child = os.fork()
    if child == 0:
        try:
            with host.app.app_context():
                _work(host)
            os._exit(0)
        finally:
            os._exit(1)
    return child


def main(url: str, manager: str, workers: str, die_every: str, lease_seconds: str) -> int:
    outbox.LEASE = dt.timedelta(seconds=float(lease_seconds))

    def take(grant: GrantSnapshot) -> None:
        if book(Path(manager), grant) % int(die_every) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    host = make_host(url, receiver=take, tables=False, STRIPE_CREDITS_DELIVERY="outbox")
    running, kills = {_fork(host) for _ in range(int(workers))}, 0
    while running:
        child, status = os.wait()
        running.discard(child)
        if os.WIFSIGNALED(status):
            kills += os.WTERMSIG(status) == signal.SIGKILL
            running.add(_fork(host))
        elif os.WEXITSTATUS(status) != 0:
            return 1
    print(kills)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
