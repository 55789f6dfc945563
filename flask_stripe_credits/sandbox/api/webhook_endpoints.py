"""``/v1/webhook_endpoints``"""

from __future__ import annotations

from .. import endpoints
from ..api_version import is_version
from ..catalog import merged
from ..errors import invalid
from ..params import Flag, Items, Metadata, Text, Unsupported, WebAddress
from ..store import Json
from .listing import TIMELESS_PAGING, listed
from .lookup import named
from .routing import Call, Routes

routes: Routes = Routes()

_EVENTS = Items(Text(100, pattern=r"\*|[a-z0-9_]+(\.[a-z0-9_]+)+"), most=400)


@routes.post(
    "/v1/webhook_endpoints",
    {
        "api_version": Text(40),
        "connect": Unsupported(),
        "description": Text(5000, unset=True),
        "enabled_events": _EVENTS,
        "metadata": Metadata(),
        "url": WebAddress(),
    },
    "enabled_events",
    "url",
)
def create(call: Call) -> Json:
    version = call.params.get("api_version")
    if version is not None and not is_version(version):
        raise invalid(f"Invalid Stripe API version: {version}", param="api_version")
    _check_events(call.params)
    endpoints.check_target(call.world, call.params["url"])
    endpoint, secret = endpoints.create(call.world, call.params)
    return {**endpoint, "secret": secret}


@routes.get("/v1/webhook_endpoints/<id>")
def retrieve(call: Call) -> Json:
    return named(call, "webhook_endpoint")


@routes.post(
    "/v1/webhook_endpoints/<id>",
    {
        "description": Text(5000, unset=True),
        "disabled": Flag(),
        "enabled_events": _EVENTS,
        "metadata": Metadata(update=True),
        "url": WebAddress(),
    },
)
def update(call: Call) -> Json:
    endpoint = named(call, "webhook_endpoint")
    changes = {key: value for key, value in call.params.items() if key != "expand"}
    if "url" in changes:
        endpoints.check_target(call.world, changes["url"])
    if "enabled_events" in changes:
        _check_events(changes)
    if "disabled" in changes:
        changes["status"] = "disabled" if changes.pop("disabled") else "enabled"
    if "metadata" in changes:
        changes["metadata"] = merged(endpoint["metadata"], changes["metadata"])
    endpoint |= changes
    call.world.store.save(endpoint)
    return endpoint


@routes.delete("/v1/webhook_endpoints/<id>")
def delete(call: Call) -> Json:
    endpoint = named(call, "webhook_endpoint")
    call.world.store.remove(endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


@routes.get("/v1/webhook_endpoints", TIMELESS_PAGING)
def list_(call: Call) -> Json:
    return listed(call, "webhook_endpoint", "/v1/webhook_endpoints")


def _check_events(params: Json) -> None:
    if not params["enabled_events"]:
        raise invalid(
            "You must give at least one event, or * for all of them.", param="enabled_events"
        )
