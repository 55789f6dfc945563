"""Documents with anything missing, or of a value that nobody expects there."""

from __future__ import annotations

import copy
import uuid
from typing import Any

from hypothesis import strategies as st

Path = tuple[Any, ...]
GONE = object()


def nested(depth: int) -> list[Any]:
    """A list in a list in a list …"""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


wrong_values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 299, 999, 1000, 1000.0, 2000, 2**53, 2**53 + 1, 2**63, 10**30]),
    st.sampled_from(["", "x", "usd", "eur", "USD", "paid", "succeeded", "failed", "won", "lost"]),
    st.sampled_from([[], {}, ["x"], [None] * 3, {"id": "pi_other"}, {"id": None}, {"id": {}}]),
    st.sampled_from(["\x00", "a\x00b", "\ud800", "é", "a" * 6_000, "1_0", "\u0661", "\n"]),
    st.sampled_from([str(uuid.UUID(int=7)), "local", "payment", "complete", "acct_1", "live"]),
    st.sampled_from([5, 100, 300]).map(nested),
)


def paths_of(document: Any, path: Path = ()) -> list[Path]:
    """Where something stands in a JSON document, the inside of lists too."""
    if isinstance(document, dict):
        items: Any = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    else:
        return []
    found = []
    for key, value in items:
        found.append((*path, key))
        found += paths_of(value, (*path, key))
    return found


def spoil(draw: st.DrawFn, document: Any, most: int = 4) -> Any:
    """A copy of ``document`` with up to ``most`` of its values gone or wrong."""
    spoiled = copy.deepcopy(document)
    for path in draw(st.lists(st.sampled_from(paths_of(document)), max_size=most, unique=True)):
        holder = spoiled
        for key in path[:-1]:
            holder = holder[key] if _has(holder, key) else None
        if not _has(holder, path[-1]):
            continue
        value = draw(st.just(GONE) | wrong_values)
        if value is GONE:
            del holder[path[-1]]
        else:
            # Of its own: a later path may lead into it.
            holder[path[-1]] = copy.deepcopy(value)
    return spoiled


def _has(holder: Any, key: Any) -> bool:
    if isinstance(holder, dict):
        return key in holder
    return isinstance(holder, list) and isinstance(key, int) and key < len(holder)
