"""What is sent to an endpoint: an event as JSON, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence

from . import events, older
from .chaos import Chaos, Spoiled
from .store import Json, Where
from .transport import WebhookRequest
from .world import World

_STALE_SECONDS = 3600


def write(
    world: World, event: Json, endpoint: Json, chaos: Chaos, spoiled: Spoiled | None, at: float
) -> WebhookRequest:
    """Return the request that delivers an event.

    :param at: seconds since the epoch that the signature carries, unless that is spoiled.
    """
    event = events.render(world, event)
    event["api_version"] = endpoint["api_version"] or event["api_version"]
    if chaos.api_version is not None:

        def find(kind: str, owner_kind: str, owner: str) -> list[Json]:
            return world.store.find(kind, [Where(owner_kind, "=", owner)])

        event = older.as_of(chaos.api_version, event, find)
    body = json.dumps(event, indent=2).encode()
    secrets = world.store.hidden(endpoint["id"]).get("secrets", [])
    if spoiled is Spoiled.STALE:
        at -= _STALE_SECONDS
    elif spoiled is Spoiled.FORGED:
        secrets = [secret[::-1] for secret in secrets]
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (sandbox)",
        "Stripe-Signature": signature_header(secrets, body, int(at)),
        "Connection": "close",
    }
    return WebhookRequest(endpoint["url"], headers, body)


def signature_header(secrets: Sequence[str], body: bytes, at: int) -> str:
    """Return ``Stripe-Signature`` for a body: one ``v1`` for each secret."""
    signed = f"{at}.".encode() + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])
