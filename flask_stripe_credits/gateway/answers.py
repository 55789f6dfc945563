"""Stripe's answers as value objects, one by one or a page of a list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..errors import GatewayRejected, MalformedEvent
from ..stripe_objects import (
    CheckoutSession,
    Dispute,
    Event,
    Price,
    Product,
    Refund,
    WebhookEndpoint,
)

Entry = TypeVar("Entry", CheckoutSession, Dispute, Event, Price, Product, Refund, WebhookEndpoint)
Listed = TypeVar("Listed", CheckoutSession, Dispute, Event, Refund, WebhookEndpoint)


@dataclass(frozen=True, slots=True)
class Page(Generic[Listed]):
    """A part of one of Stripe's lists, newest first.

    :ivar after: what to ask for the next page with; None: this was the last one.
    """

    items: list[Listed]
    after: str | None


def read(kind: type[Entry], payload: Mapping[str, Any]) -> Entry:
    """Return one object of Stripe's.

    :raises GatewayRejected: when it isn't one.
    """
    try:
        return kind.from_payload(payload)
    except MalformedEvent as error:
        raise GatewayRejected(f"Stripe's answer isn't a {kind.__name__}: {error}") from None


def page_of(kind: type[Listed], payload: Any) -> Page[Listed]:
    """Return a page of one of Stripe's lists.

    :raises GatewayRejected: when it isn't one.
    """
    if not isinstance(payload, Mapping) or not isinstance(payload.get("data"), list):
        raise GatewayRejected(f"Stripe's answer isn't a list of {kind.__name__}s")
    items = [read(kind, item) for item in payload["data"]]
    more = payload.get("has_more") is True and bool(items)
    return Page(items, items[-1].id if more else None)


def created_since(since: dt.datetime) -> dict[str, Any]:
    """Return the parameter with which a list begins at ``since``."""
    return {"created": {"gte": max(0, int(since.timestamp()))}}
