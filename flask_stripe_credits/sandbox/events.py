"""Telling of what happened: an event, and a delivery to every endpoint that wants to hear of it."""

from __future__ import annotations

import re

from .chaos import Chaos
from .errors import invalid, no_such
from .objects import webhooks
from .store import SUBJECT, Json, Sql, Where
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


def disturb(world: World, chaos: Chaos, after: int) -> int:
    """Give what is new in the queue the copies and the delay that chaos wants.

    :param after: id of the last delivery that has them; the new last one is returned.
    """
    if chaos.duplicate == 1 and not chaos.delay:
        return after
    new = "FROM deliveries WHERE state = 'pending' AND id > ?"
    rows = world.store.query(f"SELECT event, endpoint, due_at {new} ORDER BY id", after)
    for row in rows:
        for _ in range(chaos.duplicate - 1):
            world.store.query(
                "INSERT INTO deliveries (event, endpoint, state, due_at)"
                " VALUES (?, ?, 'pending', ?)",
                *row,
            )
    if chaos.delay:
        for (id,) in world.store.query(f"SELECT id {new}", after):
            world.store.query(
                "UPDATE deliveries SET due_at = due_at + ? WHERE id = ?", chaos.due_in(id), id
            )
    [(last,)] = world.store.query("SELECT coalesce(max(id), 0) FROM deliveries")
    return int(last)


def resend(world: World, event: Json, endpoint_id: str | None = None) -> None:
    """Queue an event again, though it may have been taken already.

    :param endpoint_id: None for every enabled endpoint that is registered for such events.
    :raises ApiError: when there is no such endpoint, or it is disabled.
    """
    if endpoint_id is None:
        for endpoint in world.store.find("webhook_endpoint", [Where("status", "=", "enabled")]):
            if wants(endpoint, event["type"]):
                queue(world, event["id"], endpoint["id"])
        return
    endpoint_or_none = world.store.get("webhook_endpoint", endpoint_id)
    if endpoint_or_none is None:
        raise no_such("webhook_endpoint", endpoint_id, param="webhook_endpoint", status=400)
    if endpoint_or_none["status"] != "enabled":
        raise invalid(f"Webhook endpoint {endpoint_id} is disabled.", param="webhook_endpoint")
    queue(world, event["id"], endpoint_id)


# Deliveries that were not taken, by their endpoint neither then nor when they were sent again.
_NOT_TAKEN = """
    FROM deliveries AS sent
    WHERE sent.event = {event} AND sent.state NOT IN ('delivered', 'canceled') AND NOT EXISTS (
        SELECT * FROM deliveries AS again WHERE again.event = sent.event
        AND again.endpoint = sent.endpoint AND again.id > sent.id AND again.state = 'delivered'
    )
"""


def delivered(success: bool) -> Sql:
    """Return the condition on events whose every endpoint took them, or not."""
    some_not_taken = f"EXISTS (SELECT * {_NOT_TAKEN.format(event='objects.id')})"
    return Sql(f"NOT {some_not_taken}" if success else some_not_taken)


def about(id: str) -> Sql:
    """Return the condition on events about a payment intent and all that belongs to it.

    :param id: also that of a session or customer, for events that name no payment intent.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", id):
        raise ValueError(f"{id!r} is no id")
    return Sql(f"{SUBJECT} = '{id}'")


def render(world: World, event: Json) -> Json:
    """Return the event with the number of endpoints that haven't taken it yet."""
    [(pending,)] = world.store.query(
        f"SELECT count(DISTINCT sent.endpoint) {_NOT_TAKEN.format(event='?')}",
        event["id"],
    )
    return {**event, "pending_webhooks": pending}
