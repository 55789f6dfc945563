"""``/v1/events``"""

from __future__ import annotations

from .. import events
from ..errors import invalid
from ..params import Flag, Items, Text
from ..store import Json, Sql, Where
from .listing import PAGING, listed
from .lookup import named
from .routing import Call, Routes

routes: Routes = Routes()


@routes.get("/v1/events/<id>")
def retrieve(call: Call) -> Json:
    return events.render(call.world, named(call, "event"))


@routes.post(
    "/v1/events/<id>/retry",
    # The command-line client means its own listener; the sandbox delivers to every endpoint.
    {"for_stripecli": Flag(), "webhook_endpoint": Text(255)},
)
def retry(call: Call) -> Json:
    event = named(call, "event")
    events.resend(call.world, event, call.params.get("webhook_endpoint"))
    return events.render(call.world, event)


@routes.get(
    "/v1/events",
    {
        **PAGING,
        "delivery_success": Flag(),
        "type": Text(100),
        "types": Items(Text(100), most=20),
    },
)
def list_(call: Call) -> Json:
    where: list[Where | Sql] = []
    if "delivery_success" in call.params:
        where.append(events.delivered(call.params["delivery_success"]))
    if "type" in call.params and "types" in call.params:
        raise invalid("You may only specify one of these parameters: type, types.")
    if "types" in call.params:
        where.append(Where("type", "in", call.params["types"]))
    if "type" in call.params:
        # "checkout.session.*" stands for everything that begins so.
        pattern = call.params["type"]
        family = pattern.removesuffix("*")
        if family != pattern:
            where += [Where("type", ">=", family), Where("type", "<", family + "\U0010ffff")]
        else:
            where.append(Where("type", "=", pattern))
    page = listed(call, "event", "/v1/events", where)
    return {**page, "data": [events.render(call.world, event) for event in page["data"]]}
