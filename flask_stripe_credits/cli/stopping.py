"""Ending a command that runs until it is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """Give what Ctrl-C, SIGTERM and the end of the terminal set meanwhile."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        # Nobody sends signals here; whoever started us in a thread ends us.
        yield stopped
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        # Ignored, it stays so: that is what `nohup` does.
        numbers.append(hangup)
    before = [signal.signal(number, lambda *_: stopped.set()) for number in numbers]
    try:
        yield stopped
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
