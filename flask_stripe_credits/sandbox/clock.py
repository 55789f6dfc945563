"""The sandbox's own clock, which tests can put forward."""

from __future__ import annotations

import time


class Clock:
    """Wall clock plus an offset."""

    def __init__(self) -> None:
        self._offset = 0.0

    def time(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self._offset

    def now(self) -> int:
        """Return whole seconds since the epoch, as Stripe writes timestamps."""
        return int(self.time())

    def advance(self, seconds: float) -> None:
        """Put the clock forward for good.

        :raises ValueError: when ``seconds`` is negative: Stripe's time never goes back.
        """
        if seconds < 0:
            raise ValueError("the sandbox's clock only goes forward")
        self._offset += seconds
