"""Wait for something only for so long, whatever keeps it: a name server, a slow answer, a lock."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def run_within(seconds: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns, or raise what it raises, within so many seconds.

    It runs in a thread of its own, which is left to itself when the time is over: ``call`` must be
    safe to finish later, unseen.

    :raises TimeoutError: the time is over.
    """
    answers: queue.SimpleQueue[tuple[list[T], BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(([call()], None))
        except BaseException as error:  # noqa: BLE001 - it is raised by whoever waits
            answers.put(([], error))

    threading.Thread(target=run, name="flask-stripe-credits", daemon=True).start()
    try:
        returned, raised = answers.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise TimeoutError(f"gave up after {seconds:.1f} s") from None
    if raised is not None:
        raise raised
    return returned[0]
