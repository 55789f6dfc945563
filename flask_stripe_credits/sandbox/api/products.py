"""``/v1/products``"""

from __future__ import annotations

from .. import catalog, events
from ..errors import invalid
from ..params import Fields, Flag, Items, Metadata, Spec, Text, WebAddress, later
from ..store import Json, Where
from .listing import PAGING, exactly, listed
from .lookup import named
from .routing import Call, Routes

routes: Routes = Routes()

_ATTRIBUTES: dict[str, Spec] = {
    "active": Flag(),
    "images": Items(WebAddress(), most=8),
    "metadata": Metadata(),
    "name": Text(250),
    "shippable": Flag(),
    "statement_descriptor": Text(22, unset=True),
    "tax_code": Text(255, unset=True),
    "unit_label": Text(12, unset=True),
    "url": WebAddress(),
}
_LATER = later("marketing_features package_dimensions")


@routes.post(
    "/v1/products",
    {
        **_ATTRIBUTES,
        **_LATER,
        **later("default_price_data"),
        "description": Text(40_000),
        "id": Text(255, pattern=r"[\w-]+"),
    },
    "name",
)
def create(call: Call) -> Json:
    return catalog.create_product(call.world, call.params)


@routes.get("/v1/products/<id>")
def retrieve(call: Call) -> Json:
    return named(call, "product")


@routes.post(
    "/v1/products/<id>",
    {
        **_ATTRIBUTES,
        **_LATER,
        "default_price": Text(255),
        "description": Text(40_000, unset=True),
        "metadata": Metadata(update=True),
    },
)
def update(call: Call) -> Json:
    changes = {key: value for key, value in call.params.items() if key != "expand"}
    return catalog.update_product(call.world, named(call, "product"), changes)


@routes.delete("/v1/products/<id>")
def delete(call: Call) -> Json:
    product = named(call, "product")
    if call.world.store.find("price", [Where("product", "=", product["id"])], limit=1):
        raise invalid(
            "This product cannot be deleted because it has one or more user-created prices.",
            param="id",
        )
    call.world.store.remove(product["id"])
    events.record(call.world, "product.deleted", product)
    return {"id": product["id"], "object": "product", "deleted": True}


@routes.get(
    "/v1/products", {**PAGING, **later("shippable url"), "active": Flag(), "ids": Items(Text(255))}
)
def list_(call: Call) -> Json:
    where = exactly(call, "active")
    if "ids" in call.params:
        where.append(Where("id", "in", call.params["ids"]))
    return listed(call, "product", "/v1/products", where)


PRODUCT_DATA = Fields(
    {
        "description": Text(40_000),
        "images": Items(WebAddress(), most=8),
        "metadata": Metadata(),
        "name": Text(250),
        "tax_code": Text(255),
        "unit_label": Text(12),
    },
    ("name",),
)
