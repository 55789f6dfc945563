"""Stripe's lists: newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import invalid, no_such
from ..params import Range, Spec, Text, Whole
from ..store import Json, Place, Sql, Where
from ..world import World
from .routing import Call

TIMELESS_PAGING: Mapping[str, Spec] = {
    "ending_before": Text(255),
    "limit": Whole(1, 100),
    "starting_after": Text(255),
}
PAGING: Mapping[str, Spec] = {**TIMELESS_PAGING, "created": Range()}
_DEFAULT_LIMIT = 10


def wrap(data: list[Json], url: str, *, has_more: bool = False) -> Json:
    """Return a list object."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def exactly(call: Call, *names: str) -> list[Where]:
    """Return the conditions of those filters among ``names`` that the caller gave."""
    return [Where(name, "=", call.params[name]) for name in names if name in call.params]


def listed(call: Call, kind: str, url: str, where: Sequence[Where | Sql] = ()) -> Json:
    """Return the page of objects that ``PAGING``'s parameters ask for.

    :raises ApiError: when both cursors are given, or one that doesn't exist.
    """
    params = call.params
    if "starting_after" in params and "ending_before" in params:
        raise invalid("You can only specify one of these parameters: starting_after, ending_before")
    limit = params.get("limit", _DEFAULT_LIMIT)
    created = [Where("created", sign, at) for sign, at in params.get("created", {}).items()]
    backwards = "ending_before" in params
    found = call.world.store.find(
        kind,
        [*where, *created],
        before=_cursor(call.world, kind, params, "starting_after"),
        after=_cursor(call.world, kind, params, "ending_before"),
        limit=limit + 1,
    )
    page = found[-limit:] if backwards else found[:limit]
    return wrap(page, url, has_more=len(found) > limit)


def _cursor(world: World, kind: str, params: Json, name: str) -> Place | None:
    if name not in params:
        return None
    place = world.store.place(kind, params[name])
    if place is None:
        raise no_such(kind, params[name], param=name, status=400)
    return place


def paged_in_memory(call: Call, items: list[Json], url: str) -> Json:
    """Return the page of a short list that isn't kept as objects of its own."""
    limit = call.params.get("limit", _DEFAULT_LIMIT)
    ids = [item["id"] for item in items]
    start, end = 0, len(items)
    for name in ("starting_after", "ending_before"):
        if name in call.params and call.params[name] not in ids:
            raise no_such("item", call.params[name], param=name, status=400)
    if "starting_after" in call.params:
        start = ids.index(call.params["starting_after"]) + 1
    if "ending_before" in call.params:
        end = ids.index(call.params["ending_before"])
        start = max(start, end - limit)
    page = items[start : min(end, start + limit)]
    return wrap(page, url, has_more=start + limit < end)
