"""``/v1/disputes``"""

from __future__ import annotations

from .. import disputes
from ..objects.disputes import EVIDENCE
from ..params import Email, Fields, Flag, Metadata, Text, Unsupported
from ..store import Json
from .listing import PAGING, exactly, listed
from .routing import Call, Routes

routes: Routes = Routes()


@routes.get("/v1/disputes/<id>")
def retrieve(call: Call) -> Json:
    return disputes.get(call.world, call.id)


@routes.post(
    "/v1/disputes/<id>",
    {
        "evidence": Fields(
            {
                **dict.fromkeys(EVIDENCE, Text(20_000, unset=True)),
                "customer_email_address": Email(),
                "enhanced_evidence": Unsupported(),
            }
        ),
        "metadata": Metadata(update=True),
        "submit": Flag(),
    },
)
def update(call: Call) -> Json:
    return disputes.update(call.world, call.id, call.params)


@routes.post("/v1/disputes/<id>/close")
def close(call: Call) -> Json:
    return disputes.concede(call.world, call.id)


@routes.get("/v1/disputes", {**PAGING, "charge": Text(255), "payment_intent": Text(255)})
def list_(call: Call) -> Json:
    return listed(call, "dispute", "/v1/disputes", exactly(call, "charge", "payment_intent"))
