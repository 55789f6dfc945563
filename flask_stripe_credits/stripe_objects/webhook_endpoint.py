"""Where Stripe sends events."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from ..credentials import Secret
from ..errors import MalformedEvent
from .fields import boolean, mapping, stripe_id, text, texts, time
from .markers import FINGERPRINT_MARKER, SITE_MARKER


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """A webhook endpoint: where Stripe sends which events.

    :ivar enabled_events: types of events, or ``*`` for all.
    :ivar api_version: the version that events are written in; None: the account's default.
    :ivar site: the installation that our marker names, None without a marker.
    :ivar secret_fingerprint: of the signing secret that was handed over, as our marker tells.
    :ivar secret: the signing secret; only the answer to its creation tells it.
    """

    id: str
    url: str | None
    status: str | None
    enabled_events: tuple[str, ...]
    api_version: str | None
    livemode: bool | None
    created: dt.datetime | None
    site: str | None
    secret_fingerprint: str | None
    # Never shown: not in a log, not in an error tracker.
    secret: Secret | None = field(default=None, repr=False)

    @classmethod
    def from_payload(cls, payload: object) -> WebhookEndpoint:
        """Read an endpoint from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        if not isinstance(payload, dict):
            raise MalformedEvent("the webhook endpoint is not an object")
        metadata = mapping(payload, "metadata")
        secret = text(payload, "secret")
        return cls(
            id=stripe_id(payload, "id"),
            url=text(payload, "url"),
            status=text(payload, "status"),
            enabled_events=texts(payload, "enabled_events"),
            api_version=text(payload, "api_version"),
            livemode=boolean(payload, "livemode"),
            created=time(payload, "created"),
            site=text(metadata, SITE_MARKER),
            secret_fingerprint=text(metadata, FINGERPRINT_MARKER),
            secret=Secret(secret) if secret else None,
        )

    @property
    def is_enabled(self) -> bool:
        """Whether Stripe sends events there."""
        return self.status == "enabled"
