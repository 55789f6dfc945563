"""``/v1/checkout/sessions``"""

from __future__ import annotations

from .. import sessions
from ..api_version import NEW_UI_MODES, at_least
from ..errors import missing
from ..params import Choice, Email, Fields, Text, later
from ..store import Json, Where
from .checkout_params import session_fields
from .listing import PAGING, TIMELESS_PAGING, exactly, listed, paged_in_memory
from .routing import Call, Routes

routes: Routes = Routes()


@routes.post_versioned("/v1/checkout/sessions", session_fields)
def create(call: Call) -> Json:
    params = call.params
    hosted = "hosted_page" if at_least(call.version, NEW_UI_MODES) else "hosted"
    params.setdefault("ui_mode", hosted)
    for name in ("mode", "line_items", "success_url"):
        if not params.get(name):
            raise missing(name)
    return sessions.create(call.world, params)


@routes.get("/v1/checkout/sessions/<id>")
def retrieve(call: Call) -> Json:
    return sessions.get(call.world, call.id)


@routes.post("/v1/checkout/sessions/<id>/expire")
def expire(call: Call) -> Json:
    return sessions.expire(call.world, call.id)


@routes.get(
    "/v1/checkout/sessions/<id>/line_items",
    TIMELESS_PAGING,
)
def line_items(call: Call) -> Json:
    sessions.get(call.world, call.id)
    items = sessions.line_items(call.world, call.id)
    return paged_in_memory(call, items, f"/v1/checkout/sessions/{call.id}/line_items")


@routes.get(
    "/v1/checkout/sessions",
    {
        **PAGING,
        **later("customer_account payment_link subscription"),
        "customer": Text(255),
        "customer_details": Fields({"email": Email()}, ("email",)),
        "payment_intent": Text(255),
        "status": Choice(("complete", "expired", "open")),
    },
)
def list_(call: Call) -> Json:
    sessions.expire_overdue(call.world)
    where = exactly(call, "customer", "payment_intent", "status")
    if "customer_details" in call.params:
        email = call.params["customer_details"]["email"]
        where.append(Where("customer_details.email", "=", email))
    return listed(call, "checkout.session", "/v1/checkout/sessions", where)
