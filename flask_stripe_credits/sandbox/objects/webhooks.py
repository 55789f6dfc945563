"""Events and the endpoints that they are sent to."""

from __future__ import annotations

from ..ids import new_id
from ..store import Json
from ..world import World


def event(world: World, type: str, about: Json, previous: Json | None) -> Json:
    """Return the event that tells of ``about`` as it is now.

    :param previous: the old values of what an update changed.
    """
    data: Json = {"object": about}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": new_id("evt_"),
        "object": "event",
        "api_version": world.api_version,
        "created": world.now(),
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": world.cause.request_id, "idempotency_key": world.cause.idempotency_key},
        "type": type,
    }


def endpoint(params: Json, now: int) -> Json:
    """Return a new endpoint; ``params`` are those of ``POST /v1/webhook_endpoints``."""
    return {
        "id": new_id("we_"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version"),
        "application": None,
        "created": now,
        "description": params.get("description"),
        "enabled_events": params["enabled_events"],
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "status": "enabled",
        "url": params["url"],
    }
