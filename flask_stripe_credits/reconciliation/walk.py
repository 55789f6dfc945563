"""Find the purchases that Stripe's list of sessions doesn't have, without remembering the list.

Both sides are read newest first. A purchase is written before its session is opened, so once the
list has come to a moment, the sessions of all purchases written after it have been seen.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator

from ..facts import Row

# How far our clock may be ahead of Stripe's. More costs one question for each purchase.
CLOCKS_DIFFER_BY = dt.timedelta(hours=1)


class Walk:
    """Goes down our purchases beside Stripe's list.

    :param rows: with ``id`` and ``created_at``, newest first.
    """

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self._seen: dict[uuid.UUID, dt.datetime] = {}

    @property
    def remembers(self) -> int:
        """How many purchases are in memory."""
        return len(self._seen)

    def saw(self, purchase: Row) -> None:
        """Note that the list has this purchase's session."""
        self._seen[purchase["id"]] = purchase["created_at"]

    def unseen(self, reached: dt.datetime | None) -> Iterator[Row]:
        """Yield the purchases whose sessions should have been seen by now and weren't.

        :param reached: when the last session of the list so far was created; None: it ended.
        """
        passed = None if reached is None else reached + CLOCKS_DIFFER_BY
        while self._next is not None and (passed is None or self._next["created_at"] > passed):
            row, self._next = self._next, next(self._rows, None)
            if row["id"] not in self._seen:
                yield row
        if passed is not None:
            self._seen = {id_: at for id_, at in self._seen.items() if at <= passed}
