"""The form that says what goes wrong with deliveries."""

from __future__ import annotations

from collections.abc import Mapping

from ..chaos import Chaos
from ..errors import invalid

_WHOLE = ("duplicate", "parallel", "seed")
_SHARES = ("drop", "wrong_signature", "stale", "delay")
_YES_OR_NO = ("reorder", "early")


def read(given: Mapping[str, str]) -> Chaos:
    """Return the chaos that a submitted form asks for; none of its fields is none of it.

    :raises ApiError: for a value that makes no sense; names it.
    """
    values: dict[str, object] = {name: name in given for name in _YES_OR_NO}
    for name in (*_WHOLE, *_SHARES):
        typed = given.get(name, "").strip()
        if typed:
            values[name] = _number(name, typed)
    values["api_version"] = given.get("api_version", "").strip() or None
    try:
        return Chaos.chosen(values)
    except ValueError as error:
        raise invalid(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def _number(name: str, typed: str) -> int | float:
    try:
        return int(typed) if name in _WHOLE else float(typed)
    except ValueError:
        raise invalid(f"{name} needs a number, not “{typed[:20]}”.") from None
