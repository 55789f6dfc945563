"""``/v1/customers``"""

from __future__ import annotations

from .. import events
from ..catalog import merged
from ..objects import checkout
from ..params import Email, Fields, Metadata, Spec, Text, later
from ..store import Json
from .listing import PAGING, exactly, listed
from .lookup import named
from .routing import Call, Routes

routes: Routes = Routes()

ADDRESS = Fields(
    dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), Text(unset=True)),
    unset=True,
)
SHIPPING = Fields(
    {
        "address": Fields(ADDRESS.known),
        "carrier": Text(),
        "name": Text(),
        "phone": Text(),
        "tracking_number": Text(),
    },
    ("address", "name"),
)
_ATTRIBUTES: dict[str, Spec] = {
    **later(
        "balance business_name cash_balance individual_name invoice_prefix invoice_settings "
        "next_invoice_sequence preferred_locales shipping source tax tax_exempt"
    ),
    "address": ADDRESS,
    "description": Text(unset=True),
    "email": Email(),
    "metadata": Metadata(),
    "name": Text(256, unset=True),
    "phone": Text(20, unset=True),
}


@routes.post("/v1/customers", {**_ATTRIBUTES, **later("payment_method tax_id_data test_clock")})
def create(call: Call) -> Json:
    customer = checkout.customer(call.params, call.world.now())
    call.world.store.add(customer)
    events.record(call.world, "customer.created", customer)
    return customer


@routes.get("/v1/customers/<id>")
def retrieve(call: Call) -> Json:
    return named(call, "customer")


@routes.post(
    "/v1/customers/<id>",
    {
        **_ATTRIBUTES,
        **later("bank_account card default_alipay_account default_bank_account default_card"),
        **later("default_source"),
        "metadata": Metadata(update=True),
    },
)
def update(call: Call) -> Json:
    customer = named(call, "customer")
    changes = {key: value for key, value in call.params.items() if key != "expand"}
    if "metadata" in changes:
        changes["metadata"] = merged(customer["metadata"], changes["metadata"])
    previous = {key: customer[key] for key, value in changes.items() if customer[key] != value}
    customer |= changes
    call.world.store.save(customer)
    if previous:
        events.record(call.world, "customer.updated", customer, previous)
    return customer


@routes.delete("/v1/customers/<id>")
def delete(call: Call) -> Json:
    customer = named(call, "customer")
    call.world.store.remove(customer["id"])
    events.record(call.world, "customer.deleted", customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


@routes.get("/v1/customers", {**PAGING, **later("test_clock"), "email": Text(800)})
def list_(call: Call) -> Json:
    return listed(call, "customer", "/v1/customers", exactly(call, "email"))
