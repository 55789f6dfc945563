"""By what our products and prices are known at Stripe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ...stripe_objects import PACKAGE_MARKER, SITE_MARKER, Price, Product
from ..changes import Row


def marks(site: str, package_code: str) -> dict[str, str]:
    """The metadata of a package's product and prices."""
    return {SITE_MARKER: site, PACKAGE_MARKER: package_code}


def product_id(site: str, package_code: str) -> str:
    """The id of the product that an installation makes for a package: Stripe has it only once."""
    digest = hashlib.sha256(f"{site}\n{package_code}".encode()).hexdigest()
    return f"prod_credits{digest[:24]}"


def lookup_key(site: str, package: Row) -> str:
    """The name of the price of what a package costs now: Stripe lets only one price have it."""
    return ":".join(
        ("credits", site, package["package_code"], package["currency"], str(package["unit_amount"]))
    )


def is_ours(found: Product | Price, site: str, package_code: str) -> bool:
    """Whether we have made, or adopted, this for the package."""
    return (found.site, found.package_code) == (site, package_code)


def product_params(site: str, package: Row) -> dict[str, Any]:
    """What a new product is made of."""
    code, description = package["package_code"], package["description"]
    return {
        "id": product_id(site, code),
        "name": package["package_name"],
        **({"description": description} if description else {}),
        "metadata": marks(site, code),
    }


def price_params(site: str, package: Row, product: Product) -> dict[str, Any]:
    """What a new price is made of."""
    return {
        "product": product.id,
        "unit_amount": package["unit_amount"],
        "currency": package["currency"],
        "lookup_key": lookup_key(site, package),
        "metadata": marks(site, package["package_code"]),
    }


def product_changes(site: str, package: Row, product: Product) -> Mapping[str, Any]:
    """The parameters that make a product what its package says; none when it is so already."""
    wanted = {"name": package["package_name"], "description": package["description"] or ""}
    found = {"name": product.name or "", "description": product.description or ""}
    changes: dict[str, Any] = {
        name: text for name, text in wanted.items() if text.strip() != found[name].strip()
    }
    if not product.active:
        changes["active"] = True
    if product.site is None:
        changes["metadata"] = marks(site, package["package_code"])
    return changes


def price_changes(site: str, package: Row, price: Price) -> Mapping[str, Any]:
    """The parameters that take a price that fits into use; none when it is so already."""
    changes: dict[str, Any] = {} if price.active else {"active": True}
    if price.site is None:
        changes["metadata"] = marks(site, package["package_code"])
    return changes
