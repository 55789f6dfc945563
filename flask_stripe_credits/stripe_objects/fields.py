"""Read one field. What is missing or of an unexpected type is None, and None matches nothing."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Mapping
from typing import Any

from ..errors import MalformedEvent
from ..integers import LARGEST_INTEGER

_STRIPE_ID = re.compile(r"[A-Za-z0-9_]{1,255}\Z")
_CURRENCY = re.compile(r"[a-z]{3}\Z")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z


def parse_uuid(value: object) -> uuid.UUID | None:
    """Return the UUID written in ``value`` in its canonical form, or None."""
    return uuid.UUID(value) if isinstance(value, str) and _UUID.match(value) else None


def is_stripe_id(text: str) -> bool:
    """Whether this could be an id of Stripe's."""
    return _STRIPE_ID.match(text) is not None


def stripe_id(payload: Mapping[str, Any], key: str) -> str:
    """Return one of Stripe's ids.

    :raises MalformedEvent: when there is none or it could not be one.
    """
    value = payload.get(key)
    if not isinstance(value, str) or not _STRIPE_ID.match(value):
        raise MalformedEvent(f"{key} is missing or no Stripe id")
    return value


def reference(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and _STRIPE_ID.match(value) else None


def account(payload: Mapping[str, Any]) -> str | None:
    """Anything but none is somebody else's account, also what can't be read."""
    if payload.get("account") is None:
        return None
    return reference(payload, "account") or "unreadable"


def mapping(payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = payload.get(key)
    return value if isinstance(value, dict) else {}


def text(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    if not isinstance(value, str) or not value or len(value) > 5_000:
        return None
    return value if value.isprintable() else None


def texts(payload: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = payload.get(key)
    if not isinstance(values, list):
        return ()
    return tuple(value for value in values if isinstance(value, str))


def boolean(payload: Mapping[str, Any], key: str) -> bool | None:
    value = payload.get(key)
    return value if isinstance(value, bool) else None


def amount(payload: Mapping[str, Any], key: str) -> int | None:
    value = payload.get(key)
    return value if type(value) is int and 0 <= value <= LARGEST_INTEGER else None


def currency(payload: Mapping[str, Any]) -> str | None:
    value = payload.get("currency")
    return value if isinstance(value, str) and _CURRENCY.match(value) else None


def time(payload: Mapping[str, Any], key: str) -> dt.datetime | None:
    value = payload.get(key)
    if type(value) is not int or not 0 <= value <= _LATEST:
        return None
    return dt.datetime.fromtimestamp(value, dt.UTC)
