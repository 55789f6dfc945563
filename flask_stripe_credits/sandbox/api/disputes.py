"""``/v1/disputes``"""

from __future__ import annotations

from .. import disputes
from ..params import Text
from ..store import Json
from .listing import PAGING, exactly, listed
from .routing import Call, Routes

routes = Routes()


@routes.get("/v1/disputes/<id>")
def retrieve(call: Call) -> Json:
    return disputes.get(call.world, call.id)


@routes.post("/v1/disputes/<id>/close")
def close(call: Call) -> Json:
    return disputes.concede(call.world, call.id)


@routes.get("/v1/disputes", {**PAGING, "charge": Text(255), "payment_intent": Text(255)})
def list_(call: Call) -> Json:
    return listed(call, "dispute", "/v1/disputes", exactly(call, "charge", "payment_intent"))
