"""``/v1/events``"""

from __future__ import annotations

from .. import events
from ..errors import invalid
from ..params import Items, Text
from ..store import Json, Where
from .listing import PAGING, listed
from .lookup import named
from .routing import Call, Routes

routes = Routes()


@routes.get("/v1/events/<id>")
def retrieve(call: Call) -> Json:
    return events.render(call.world, named(call, "event"))


@routes.get("/v1/events", {**PAGING, "type": Text(100), "types": Items(Text(100), most=20)})
def list_(call: Call) -> Json:
    where = []
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
