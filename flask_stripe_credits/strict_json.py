"""JSON as it comes from strangers: UTF-8 only, no duplicate keys, no NaN, no endless nesting."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class MalformedJSON(ValueError):
    """The bytes aren't one JSON document that everybody would read the same way."""


def parse_json(data: bytes) -> Any:
    """Return the document in ``data``.

    :raises MalformedJSON: for anything that isn't strict JSON in UTF-8. Names that stand twice
        in one object are refused, since readers differ in which one they take (RFC 8259 4).
    """
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # The original carries the whole document, which belongs in no log.
        raise MalformedJSON(type(error).__name__) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError("a number is too large for a float")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
