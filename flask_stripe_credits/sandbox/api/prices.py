"""``/v1/prices``"""

from __future__ import annotations

from .. import catalog
from ..errors import invalid, missing
from ..params import Choice, Currency, Flag, Items, Metadata, Spec, Text, Whole, later
from ..store import Json, Where
from .listing import PAGING, exactly, listed
from .lookup import named
from .products import PRODUCT_DATA
from .routing import Call, Routes

routes: Routes = Routes()

TAX_BEHAVIOR = Choice(("exclusive", "inclusive", "unspecified"))
_ATTRIBUTES: dict[str, Spec] = {
    "active": Flag(),
    "lookup_key": Text(200),
    "metadata": Metadata(),
    "nickname": Text(5000, unset=True),
    "tax_behavior": TAX_BEHAVIOR,
    "transfer_lookup_key": Flag(),
}
_LATER = later(
    "billing_scheme currency_options custom_unit_amount recurring tiers tiers_mode "
    "transform_quantity unit_amount_decimal"
)


@routes.post(
    "/v1/prices",
    {
        **_ATTRIBUTES,
        **_LATER,
        "currency": Currency(),
        "product": Text(255),
        "product_data": PRODUCT_DATA,
        "unit_amount": Whole(),
    },
    "currency",
)
def create(call: Call) -> Json:
    params = call.params
    if "unit_amount" not in params:
        raise missing("unit_amount")
    if "product" in params and "product_data" in params:
        raise invalid("You may only specify one of these parameters: product, product_data.")
    if "product" not in params and "product_data" not in params:
        raise missing("product")
    return catalog.create_price(call.world, params, active=params.get("active", True))


@routes.get("/v1/prices/<id>")
def retrieve(call: Call) -> Json:
    return named(call, "price")


@routes.post(
    "/v1/prices/<id>",
    {**_ATTRIBUTES, **later("currency_options"), "metadata": Metadata(update=True)},
)
def update(call: Call) -> Json:
    changes = {key: value for key, value in call.params.items() if key != "expand"}
    return catalog.update_price(call.world, named(call, "price"), changes)


@routes.get(
    "/v1/prices",
    {
        **PAGING,
        **later("recurring"),
        "active": Flag(),
        "currency": Currency(),
        "lookup_keys": Items(Text(200), most=10),
        "product": Text(255),
        "type": Choice(("one_time", "recurring")),
    },
)
def list_(call: Call) -> Json:
    params = call.params
    where = exactly(call, "active", "currency", "product", "type")
    if "lookup_keys" in params:
        where.append(Where("lookup_key", "in", params["lookup_keys"]))
    return listed(call, "price", "/v1/prices", where)
