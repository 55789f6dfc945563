"""Events at Stripe, which keeps them for 30 days, and the objects that they are about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import GatewayRejected
from ..stripe_objects import Event
from .answers import Page, created_since, read
from .connection import Connection

# What an event's type begins with, and where its object is read.
_READ_AT = {
    "checkout.session.": "/v1/checkout/sessions/",
    "charge.dispute.": "/v1/disputes/",
    "charge.refund.": "/v1/refunds/",
    "charge.": "/v1/charges/",
    "refund.": "/v1/refunds/",
}


class Events(Connection):
    """The part of the gateway that is about events."""

    def find_event(self, event_id: str) -> Event | None:
        """Return an event as it was made, None when Stripe has none, or no longer.

        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: this and
            the next two, as :meth:`create_checkout_session`.
        """
        payload = self._read_raw(f"/v1/events/{event_id}")
        return None if payload is None else read(Event, payload)

    def page_events(
        self, *, since: dt.datetime, types: Collection[str], after: str | None = None
    ) -> Page[Event]:
        """Return a page of the events of these types, at most 20, made at ``since`` or later."""
        return self._page(
            Event, "/v1/events", {**created_since(since), "types": list(types)}, after
        )

    def find_object_of(self, event_type: str, object_id: str) -> Mapping[str, Any] | None:
        """Return what an event of this type was about as it is now, None when there is none."""
        path = next(path for begin, path in _READ_AT.items() if event_type.startswith(begin))
        return self._read_raw(path + object_id)

    def _read_raw(self, path: str) -> Mapping[str, Any] | None:
        client = self._client()
        try:
            payload: Any = self._call(lambda: client.raw_request("get", path).data)
        except GatewayRejected as error:
            if error.code == "resource_missing":
                return None
            raise
        if not isinstance(payload, Mapping):
            raise GatewayRejected("Stripe's answer isn't an object")
        return payload
