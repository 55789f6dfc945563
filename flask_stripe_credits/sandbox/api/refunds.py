"""``/v1/refunds``"""

from __future__ import annotations

from .. import refunds
from ..catalog import merged
from ..errors import invalid
from ..params import Choice, Metadata, Text, Whole, later
from ..store import Json
from .listing import PAGING, exactly, listed
from .routing import Call, Routes

routes: Routes = Routes()


@routes.post(
    "/v1/refunds",
    {
        **later("currency customer instructions_email origin refund_application_fee"),
        **later("reverse_transfer"),
        "amount": Whole(1),
        "charge": Text(255),
        "metadata": Metadata(),
        "payment_intent": Text(255),
        "reason": Choice(("duplicate", "fraudulent", "requested_by_customer")),
    },
)
def create(call: Call) -> Json:
    if "charge" in call.params and "payment_intent" in call.params:
        raise invalid("You may only specify one of these parameters: charge, payment_intent.")
    if "charge" not in call.params and "payment_intent" not in call.params:
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or "
            "charge."
        )
    return refunds.create(call.world, call.params)


@routes.get("/v1/refunds/<id>")
def retrieve(call: Call) -> Json:
    return refunds.get(call.world, call.id)


@routes.post("/v1/refunds/<id>", {"metadata": Metadata(update=True)})
def update(call: Call) -> Json:
    refund = refunds.get(call.world, call.id)
    if "metadata" not in call.params:
        return refund
    metadata = merged(refund["metadata"], call.params["metadata"])
    return refunds.update(call.world, refund, metadata)


@routes.post("/v1/refunds/<id>/cancel")
def cancel(call: Call) -> Json:
    return refunds.cancel(call.world, call.id)


@routes.get("/v1/refunds", {**PAGING, "charge": Text(255), "payment_intent": Text(255)})
def list_(call: Call) -> Json:
    return listed(call, "refund", "/v1/refunds", exactly(call, "charge", "payment_intent"))
