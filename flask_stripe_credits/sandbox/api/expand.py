"""``expand[]``: objects in the place of their ids."""

from __future__ import annotations

from typing import Any

from .. import sessions
from ..errors import ApiError, invalid
from ..store import Json, Where
from ..world import World
from .listing import wrap

_DEEPEST = 4
# As many as Stripe puts into a list inside another object.
_FIRST = 10


def expanded(world: World, body: Json, paths: list[str]) -> Json:
    """Return ``body`` with the objects that ``paths`` name, e.g. ``payment_intent.latest_charge``.

    :raises ApiError: for a path that leads nowhere.
    """
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST:
            raise invalid(f"You cannot expand more than {_DEEPEST} levels of a property.")
        body = _expand(world, body, steps, path)
    return body


def _expand(world: World, body: Json, steps: list[str], path: str) -> Json:
    step, *rest = steps
    if step == "data" and body.get("object") == "list":
        return {**body, "data": [_expand(world, item, rest, path) for item in body["data"]]}
    value = _value(world, body, step, path)
    if rest and isinstance(value, dict):
        value = _expand(world, value, rest, path)
    return {**body, step: value}


def _value(world: World, body: Json, step: str, path: str) -> Any:
    if step == "line_items" and body.get("object") == "checkout.session":
        items = sessions.line_items(world, body["id"])
        return wrap(items, f"/v1/checkout/sessions/{body['id']}/line_items")
    if step == "refunds" and body.get("object") == "charge":
        of_charge = world.store.find("refund", [Where("charge", "=", body["id"])], limit=_FIRST + 1)
        url = f"/v1/charges/{body['id']}/refunds"
        return wrap(of_charge[:_FIRST], url, has_more=len(of_charge) > _FIRST)
    if step not in body:
        raise _no_such_property(step, path)
    value = body[step]
    if isinstance(value, str):
        value = world.store.get_any(value)
        if value is None:
            raise _no_such_property(step, path)
    return value


def _no_such_property(step: str, path: str) -> ApiError:
    return invalid(f"This property cannot be expanded ({step}). You asked for '{path}'.")
