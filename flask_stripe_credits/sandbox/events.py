"""Telling of what happened: an event, and a delivery to every endpoint that wants to hear of it."""

from __future__ import annotations

from .objects import webhooks
from .store import Json, Where
from .world import World


def record(world: World, type: str, about: Json, previous: Json | None = None) -> Json:
    """Keep a new event and queue its deliveries; return it.

    Belongs into the transaction of what happened, so that neither exists without the other.
    """
    event = webhooks.event(world, type, about, previous)
    world.store.add(event)
    for endpoint in world.store.find("webhook_endpoint", [Where("status", "=", "enabled")]):
        if wants(endpoint, type):
            queue(world, event["id"], endpoint["id"])
    return event


def wants(endpoint: Json, type: str) -> bool:
    """Whether an endpoint is registered for events of this type."""
    return type in endpoint["enabled_events"] or "*" in endpoint["enabled_events"]


def queue(world: World, event_id: str, endpoint_id: str) -> None:
    """Have an event delivered to an endpoint as soon as possible."""
    world.store.query(
        "INSERT INTO deliveries (event, endpoint, state, due_at) VALUES (?, ?, 'pending', ?)",
        event_id,
        endpoint_id,
        world.clock.time(),
    )


def render(world: World, event: Json) -> Json:
    """Return the event with the number of endpoints that haven't taken it yet."""
    [(pending,)] = world.store.query(
        "SELECT count(DISTINCT endpoint) FROM deliveries WHERE event = ? AND state != 'delivered'"
        " AND state != 'canceled'",
        event["id"],
    )
    return {**event, "pending_webhooks": pending}
