"""Products and prices."""

from __future__ import annotations

from typing import Any

from ..ids import new_id
from ..store import Json


def product(params: Json, now: int) -> Json:
    """Return a new product; ``params`` are those of ``POST /v1/products``."""
    return {
        "id": params.get("id") or new_id("prod_"),
        "object": "product",
        "active": params.get("active", True),
        "created": now,
        "default_price": None,
        "description": params.get("description"),
        "images": params.get("images", []),
        "livemode": False,
        "marketing_features": [],
        "metadata": params.get("metadata", {}),
        "name": params["name"],
        "package_dimensions": None,
        "shippable": params.get("shippable"),
        "statement_descriptor": params.get("statement_descriptor"),
        "tax_code": params.get("tax_code"),
        "type": "service",
        "unit_label": params.get("unit_label"),
        "updated": now,
        "url": params.get("url"),
    }


def price(product_id: str, params: Json, now: int, *, active: bool = True) -> Json:
    """Return a new one-time price; ``params`` are those of ``POST /v1/prices``."""
    return {
        "id": new_id("price_"),
        "object": "price",
        "active": active,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": params["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": params.get("lookup_key"),
        "metadata": params.get("metadata", {}),
        "nickname": params.get("nickname"),
        "product": product_id,
        "recurring": None,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": params["unit_amount"],
        "unit_amount_decimal": str(params["unit_amount"]),
    }


def line_item(of: Json, quantity: int, name: str, metadata: dict[str, Any]) -> Json:
    """Return a checkout session's line item: ``quantity`` times the price ``of``."""
    total = of["unit_amount"] * quantity
    return {
        "id": new_id("li_"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": of["currency"],
        "description": name,
        "metadata": metadata,
        "price": of,
        "quantity": quantity,
    }
