"""Products and prices: making and changing them."""

from __future__ import annotations

from . import events
from .errors import ApiError, invalid, no_such
from .objects import catalog
from .store import Json, Where
from .world import World


def create_product(world: World, params: Json) -> Json:
    """Keep a new product.

    :raises ApiError: when its ``id`` is taken.
    """
    if "id" in params and world.store.get_any(params["id"]):
        raise invalid("Product already exists.", param="id", code="resource_already_exists")
    product = catalog.product(params, world.now())
    world.store.add(product)
    events.record(world, "product.created", product)
    return product


def create_price(world: World, params: Json, *, active: bool = True) -> Json:
    """Keep a new price of a product that is named or described in ``params``.

    :raises ApiError: for a product that doesn't exist, or a lookup key that another price has.
    """
    if "product" in params:
        product_id = params["product"]
        if world.store.get("product", product_id) is None:
            raise no_such("product", product_id, param="product", status=400)
    else:
        product_id = create_product(world, {**params["product_data"], "active": active})["id"]
    price = catalog.price(product_id, params, world.now(), active=active)
    if price["lookup_key"] is not None:
        _claim_lookup_key(world, price["lookup_key"], transfer=params.get("transfer_lookup_key"))
    world.store.add(price)
    events.record(world, "price.created", price)
    return price


def update_product(world: World, product: Json, params: Json) -> Json:
    """As :func:`update`.

    :raises ApiError: when ``default_price`` isn't a price of this product that is in use.
    """
    wanted = params.get("default_price")
    if wanted is not None:
        price = world.store.get("price", wanted)
        if price is None or price["product"] != product["id"]:
            raise no_such("price", wanted, param="default_price", status=400)
        if not price["active"]:
            raise invalid("The default price must be active.", param="default_price")
    return update(world, product, params)


def update_price(world: World, price: Json, params: Json) -> Json:
    """As :func:`update`.

    :raises ApiError: for archiving the default price of its product.
    """
    product = world.store.get("product", price["product"])
    if params.get("active") is False and product and product["default_price"] == price["id"]:
        raise invalid(
            "This price cannot be archived because it is the default price of its product.",
            param="active",
        )
    return update(world, price, params)


def update(world: World, of: Json, params: Json) -> Json:
    """Change a product or a price and tell of it. Metadata is merged; an empty value removes."""
    changes = dict(params)
    if changes.get("lookup_key") not in (None, of.get("lookup_key")):
        _claim_lookup_key(world, changes["lookup_key"], transfer=params.get("transfer_lookup_key"))
    changes.pop("transfer_lookup_key", None)
    if "metadata" in changes:
        changes["metadata"] = merged(of["metadata"], changes["metadata"])
    previous = {key: of[key] for key, value in changes.items() if of[key] != value}
    if previous and "updated" in of:
        previous["updated"], changes["updated"] = of["updated"], world.now()
    changed = {**of, **changes}
    world.store.save(changed)
    if previous:
        events.record(world, f"{of['object']}.updated", changed, previous)
    return changed


def merged(metadata: dict[str, str], changes: dict[str, str]) -> dict[str, str]:
    """Return metadata after an update: nothing at all unsets everything."""
    if not changes:
        return {}
    return {key: value for key, value in {**metadata, **changes}.items() if value}


def _claim_lookup_key(world: World, key: str, *, transfer: bool | None) -> None:
    for holder in world.store.find("price", [Where("lookup_key", "=", key)]):
        if not transfer:
            raise _lookup_key_taken(key, holder["id"])
        world.store.save({**holder, "lookup_key": None})


def _lookup_key_taken(key: str, holder: str) -> ApiError:
    return invalid(
        f"A price (`{holder}`) already uses that lookup key. Set `transfer_lookup_key` to true to "
        f"transfer `{key}` to this price.",
        param="lookup_key",
    )
