"""Run functions at the same time and wait for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa

T = TypeVar("T")

LONGEST_WAIT_SECONDS = 60.0


def in_parallel(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Start all ``calls`` at once, a thread for each; return their results in order."""
    start = threading.Barrier(len(calls))
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def run(number: int, call: Callable[[], T]) -> None:
        try:
            start.wait(LONGEST_WAIT_SECONDS)
            results[number] = call()
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=(number, call), daemon=True)
        for number, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONGEST_WAIT_SECONDS)
    if errors:
        raise errors[0]
    assert len(results) == len(calls), "a thread hangs"
    return [results[number] for number in range(len(calls))]


def await_waiting(engine: sa.Engine, thread: threading.Thread) -> None:
    """Return once PostgreSQL keeps somebody waiting for a lock, as ``thread`` should be."""
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(waiting):
            assert thread.is_alive(), "it didn't wait"
