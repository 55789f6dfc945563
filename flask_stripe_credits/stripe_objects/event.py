"""An event, as a webhook or the list of events tells it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import MalformedEvent
from .fields import account, boolean, mapping, reference, stripe_id, text, time

_EVENT_TYPE = re.compile(r"[a-z0-9_.]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class Event:
    """A snapshot event.

    :ivar account: the connected account the event is about, None for our own.
    :ivar payload: the whole event as Stripe sent it.
    """

    id: str
    type: str
    created: dt.datetime | None
    api_version: str | None
    livemode: bool | None
    account: str | None
    # Left out of what logs and error trackers show of it.
    payload: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_payload(cls, payload: object) -> Event:
        """Read an event from Stripe's JSON.

        :raises MalformedEvent: when it isn't a snapshot event. Thin events
            (``v2.core.event``) carry no object and belong to another kind of endpoint.
        """
        if not isinstance(payload, dict):
            raise MalformedEvent("the body is not a JSON object")
        if payload.get("object") == "v2.core.event":
            raise MalformedEvent("thin events aren't supported: use snapshot events")
        kind = payload.get("type")
        if not isinstance(kind, str) or not _EVENT_TYPE.match(kind):
            raise MalformedEvent("the event has no type")
        if not isinstance(mapping(payload, "data").get("object"), dict):
            raise MalformedEvent("the event has no data.object")
        version = text(payload, "api_version")
        return cls(
            id=stripe_id(payload, "id"),
            type=kind,
            created=time(payload, "created"),
            api_version=version if version and len(version) <= 50 else None,
            livemode=boolean(payload, "livemode"),
            account=account(payload),
            payload=payload,
        )

    @property
    def data_object(self) -> Mapping[str, Any]:
        """The object the event is about, as it was then (``data.object``)."""
        found: Mapping[str, Any] = self.payload["data"]["object"]
        return found

    @property
    def object_id(self) -> str | None:
        """The id of the object the event is about."""
        return reference(self.payload["data"], "object")
