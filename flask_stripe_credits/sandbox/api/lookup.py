"""Finding the object that a path names."""

from __future__ import annotations

from ..errors import no_such, other_mode
from ..store import Json
from .routing import Call


def named(call: Call, kind: str, *, param: str = "id") -> Json:
    """Return the object in the path.

    :raises ApiError: 404 when there is none.
    """
    found = call.world.store.get(kind, call.id)
    if found is None:
        raise no_such(kind, call.id, param=param)
    if found.get("livemode"):
        # Put there by a test: nothing that is made here is live.
        raise other_mode(kind, call.id, param=param)
    return found
