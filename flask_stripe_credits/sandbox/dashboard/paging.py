"""A page of a long list, and the way to the pages beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..store import Json, Sql, Store, Where

SIZE = 25
_LONGEST_ID = 100


@dataclass(frozen=True, slots=True)
class Part:
    """
    :ivar rows: newest first.
    :ivar newer: parameters of the page with newer ones, or None.
    :ivar older: parameters of the page with older ones, or None.
    """

    rows: list[Json]
    newer: dict[str, Any] | None = None
    older: dict[str, Any] | None = None


def objects(
    store: Store, kind: str, where: Sequence[Where | Sql], asked: Mapping[str, str]
) -> Part:
    """Return the objects of a kind that come before or after the one that was asked for.

    :param asked: ``before`` or ``after``, an id; one that nothing has is the first page.
    """
    before = store.place(kind, asked.get("before", "")[:_LONGEST_ID])
    after = store.place(kind, asked.get("after", "")[:_LONGEST_ID])
    rows = store.find(kind, where, before=before, after=after, limit=SIZE + 1)
    return _part(rows, "id", turned=after is not None, further=before is not None)


def deliveries(store: Store, state: str | None, endpoint: str | None, before: int | None) -> Part:
    """Return deliveries with what came of the last attempt.

    :param before: only those with a smaller number.
    """
    rows = store.query(
        "SELECT id, event, endpoint, state, due_at FROM deliveries"
        " WHERE (? IS NULL OR state = ?) AND (? IS NULL OR endpoint = ?) AND (? IS NULL OR id < ?)"
        " ORDER BY id DESC LIMIT ?",
        *(state, state, endpoint, endpoint, before, before, SIZE + 1),
    )
    names = ("id", "event", "endpoint", "state", "due_at")
    return _part([dict(zip(names, row, strict=True)) for row in rows], "id")


def _part(rows: list[Json], key: str, *, turned: bool = False, further: bool = False) -> Part:
    more = len(rows) > SIZE
    rows = (rows[-SIZE:] if turned else rows[:SIZE]) if more else rows
    if not rows:
        return Part(rows)
    newer = {"after": rows[0][key]} if (more if turned else further) else None
    older = {"before": rows[-1][key]} if (turned or more) else None
    return Part(rows, newer, older)
