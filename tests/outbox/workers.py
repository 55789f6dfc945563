"""Worker processes that deliver from an outbox and are killed after a booking: a script.

``python -m tests.outbox.workers DATABASE_URL MANAGER DIE_EVERY KILL_SECONDS`` forks workers,
replaces the ones that die, ends when nothing is undelivered, and prints how many were killed: each
by itself after every ``DIE_EVERY``-th booking, one of them from outside about every
``KILL_SECONDS``; 0 is never. ``MANAGER`` is the SQLite file of the credit manager elsewhere.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from flask_stripe_credits import GrantSnapshot, outbox

from ..hosts import Host, make_host

WORKERS = 3
# What was in a killed worker's hands is tried again so soon here, and not after a minute.
LEASE = dt.timedelta(seconds=3)


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


def main(url: str, manager: str, die_every: int, kill_seconds: float) -> int:
    outbox.LEASE = LEASE

    def take(grant: GrantSnapshot) -> None:
        number = book(Path(manager), grant)
        if die_every and number % die_every == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    host = make_host(url, receiver=take, tables=False, STRIPE_CREDITS_DELIVERY="outbox")
    running, kills = {_fork(host) for _ in range(WORKERS)}, 0
    # The first at once, or quick workers might be done before it.
    next_kill = time.monotonic()
    while running:
        if kill_seconds and time.monotonic() >= next_kill:
            os.kill(random.choice(list(running)), signal.SIGKILL)
            next_kill = time.monotonic() + random.uniform(0, 2 * kill_seconds)
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            time.sleep(0.01)
            continue
        running.discard(child)
        if os.WIFSIGNALED(status):
            kills += os.WTERMSIG(status) == signal.SIGKILL
            running.add(_fork(host))
        elif os.WEXITSTATUS(status) != 0:
            return 1
    print(kills)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
