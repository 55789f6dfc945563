"""A thread that carries letters one after the other, and ends when there are none."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable

from .letters import Letter

MOST_WAITING = 2_000
# A process that ends waits that long for each letter; what isn't sent by then is lost.
LAST_SECONDS = 5.0

_postmen: weakref.WeakSet[Postman] = weakref.WeakSet()


class Postman:
    """Carries letters in the background of one process.

    :param carry: sends one letter; must not raise.
    """

    def __init__(self, carry: Callable[[Letter], None], most_waiting: int = MOST_WAITING) -> None:
        self._carry = carry
        self._most_waiting = most_waiting
        self._waiting: deque[Letter] = deque()
        self._changed = threading.Condition()
        self._walking = False
        self._carried = 0
        self._pid = os.getpid()
        _postmen.add(self)

    def take(self, letter: Letter) -> bool:
        """Take a letter along; False when too many wait already. Returns at once."""
        with self._changed:
            if len(self._waiting) >= self._most_waiting:
                return False
            self._waiting.append(letter)
            if not self._walking:
                self._walking = True
                threading.Thread(target=self._walk, name="credits mail", daemon=True).start()
        return True

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until no letter is left; return whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._walking, timeout_seconds)

    def _walk(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._walking = False
                    self._changed.notify_all()
                    return
                letter = self._waiting.popleft()
            self._carry(letter)
            with self._changed:
                self._carried += 1
                self._changed.notify_all()

    def finish(self, seconds_each: float) -> bool:
        """Wait until no letter is left, as long as one is carried every ``seconds_each``.

        True at once in a forked process, where nothing of it goes on.
        """
        if os.getpid() != self._pid:
            return True
        with self._changed:
            while self._walking:
                carried = self._carried
                moved = self._changed.wait_for(
                    lambda before=carried: not self._walking or self._carried > before,  # type: ignore[misc]
                    seconds_each,
                )
                if not moved:
                    return False
        return True


@atexit.register
def _finish() -> None:
    for postman in list(_postmen):
        postman.finish(LAST_SECONDS)
