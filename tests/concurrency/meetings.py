"""Have transactions meet between what they recorded and what they read, where a lock lets them.

Without a lock all parties come to the barrier, none sees what the others recorded, and the outcome
is wrong every time. Where a lock keeps one waiting, the others go on after a short time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from ..hosts import Host
from ..parallel import in_parallel

LONGEST_BARRIER_SECONDS = 0.06
# Where nothing keeps anybody waiting, all come, however busy the machine is.
PATIENT_SECONDS = 10.0
after_the_locks_seconds = LONGEST_BARRIER_SECONDS

# What comes after the last lock: a session reads the sums, a reversal is recorded; of a checkout,
# what was decided by what it had read.
OF_FACTS = ("AS posted", "INSERT INTO credit_refunds", "INSERT INTO credit_disputes")
OF_CHECKOUTS = ("INSERT INTO credit_purchases",)


class _Meeting:
    """Two barriers: after the locks, and before the commit."""

    def __init__(self, parties: int) -> None:
        self._seconds = (after_the_locks_seconds, LONGEST_BARRIER_SECONDS)
        self._barriers = (threading.Barrier(parties), threading.Barrier(parties))
        self._mine = threading.local()

    def come(self, which: int) -> None:
        # A thread may have other transactions before and after the one that meets.
        if getattr(self._mine, "been_at", -1) != which - 1:
            return
        self._mine.been_at = which
        try:
            self._barriers[which].wait(self._seconds[which])
        except threading.BrokenBarrierError:
            self._barriers[1].abort()


@contextmanager
def meeting(host: Host, parties: int, before: Sequence[str] = OF_FACTS) -> Iterator[None]:
    """While this is open, the transactions of ``parties`` threads meet once, ``before`` these."""
    engine = engine_of(host)
    found = _Meeting(parties)

    def before_statement(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        if any(words in statement for words in before):
            found.come(0)

    def before_commit(connection: sa.Connection) -> None:
        found.come(1)

    sa.event.listen(engine, "before_cursor_execute", before_statement)
    sa.event.listen(engine, "commit", before_commit)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", before_statement)
        sa.event.remove(engine, "commit", before_commit)


def engine_of(host: Host) -> sa.Engine:
    with host.app.app_context():
        return host.db.engine


def deliver_at_once(host: Host, documents: Sequence[Any]) -> list[int]:
    """Deliver each event in a thread of its own, to meet; return the statuses of the answers."""
    with meeting(host, len(documents)):
        answers = in_parallel([lambda d=document: host.post_event(d) for document in documents])
    return [answer.status_code for answer in answers]
