"""Who buys: new people all the time, and a few who come back and back."""

from __future__ import annotations

import random

from .marks import MARK

_NEW = 0.34
# The larger, the more the oldest customers buy.
_LOYALTY = 1.6


class People:
    """Draws buyers, and remembers no more than how many there are."""

    def __init__(self, random: random.Random, seed: int) -> None:
        self._random = random
        self._seed = seed
        self._known = 0

    def choose(self) -> tuple[str, bool]:
        """A user's id, and whether it is the first time."""
        new = self._known == 0 or self._random.random() < _NEW
        if new:
            self._known += 1
            number = self._known
        else:
            number = 1 + int(self._known * self._random.random() ** _LOYALTY)
        return f"{MARK}-{self._seed}-{number}", new
