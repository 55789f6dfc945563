"""The packages' twins at Stripe: a Product for each, and a Price for what it costs now.

Stripe is asked first and told afterwards, with no transaction open; each id is committed as
soon as it is known. What was made by a run that died is found again by its marks (the product's
metadata, the price's lookup key) or by its idempotency key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from time import time
from typing import Any

import sqlalchemy as sa

from ..money import Money
from ..state import AppState
from ..stripe_objects import PACKAGE_MARKER, SITE_MARKER, Price, Product
from ..unit_of_work import in_transaction
from .changes import Row
from .packages import active_packages

KEY_SECONDS = 600


@dataclass(frozen=True, slots=True)
class PackagePlan:
    """A package beside what Stripe has of it.

    :ivar product: the product to use, None when one has to be made.
    :ivar price: the price to use, None when one has to be made.
    """

    package: Row
    product: Product | None
    price: Price | None

    @property
    def steps(self) -> tuple[str, ...]:
        """What has to be done, in words; nothing when the package is in sync."""
        return tuple(self._steps())

    def _steps(self) -> Iterator[str]:
        package, product, price = self.package, self.product, self.price
        if product is None:
            yield "create product"
        else:
            if product.id != package["stripe_product_id"]:
                yield f"adopt product {product.id}"
            if changes := product_changes(package, product):
                yield f"update product's {', '.join(changes)}"
        if price is None:
            yield f"create price {Money(package['unit_amount'], package['currency'])}"
        elif price.id != package["stripe_price_id"]:
            yield f"adopt price {price.id}"


def plan_sync(state: AppState) -> list[PackagePlan]:
    """Compare the packages that are for sale with Stripe. Changes nothing.

    :raises GatewayError, NotConfigured: when Stripe can't be asked.
    """
    packages = in_transaction(state, lambda uow: active_packages(uow, uow.models))
    stripe = _Stripe(state)
    return [stripe.plan(package) for package in packages]


def apply_sync(state: AppState, plan: PackagePlan) -> None:
    """Make Stripe and the package's row agree. Commits each id at once. Safe to repeat.

    :raises GatewayError, NotConfigured: when Stripe didn't do it; what is done stays done.
    """
    package, product = plan.package, plan.product
    if product is None:
        params = _product_params(state, package)
        product = state.gateway.create_product(
            params, idempotency_key=_key(params, package["stripe_product_id"])
        )
    elif changes := product_changes(package, product):
        state.gateway.update_product(product.id, changes)
    if product.id != package["stripe_product_id"]:
        _store(state, package, stripe_product_id=product.id)
    price = plan.price
    if price is None:
        params = _price_params(state, package, product)
        price = state.gateway.create_price(
            params, idempotency_key=_key(params, package["stripe_price_id"])
        )
    if price.id != package["stripe_price_id"]:
        _store(state, package, stripe_price_id=price.id)


def lookup_key(site: str, package_code: str) -> str:
    """The name by which an installation finds a package's price again."""
    return f"credits:{site}:{package_code}"


def product_changes(package: Row, product: Product) -> dict[str, Any]:
    """Return the parameters that make the product what the package says."""
    wanted = {"name": package["package_name"], "description": package["description"] or ""}
    found = {"name": product.name, "description": product.description or ""}
    changes: dict[str, Any] = {
        name: text for name, text in wanted.items() if text.strip() != (found[name] or "").strip()
    }
    return changes if product.active else {**changes, "active": True}


class _Stripe:
    """What Stripe has of the packages, asked package by package."""

    def __init__(self, state: AppState) -> None:
        self._gateway = state.gateway
        self._site = state.settings.site

    def plan(self, package: Row) -> PackagePlan:
        product = self._product(package)
        price = None if product is None else self._price(package, product)
        return PackagePlan(package, product, price)

    def _product(self, package: Row) -> Product | None:
        stored = package["stripe_product_id"]
        found = self._gateway.retrieve_product(stored) if stored else None
        # A copy of another installation's database names that installation's products.
        if found is not None and found.site in (None, self._site):
            return found
        return self._marked_products.get(package["package_code"])

    @cached_property
    def _marked_products(self) -> Mapping[str | None, Product]:
        """Our products by package code; one in use goes before an archived one."""
        ours = [found for found in self._gateway.list_products() if found.site == self._site]
        return {found.package_code: found for found in sorted(ours, key=lambda one: one.active)}

    def _price(self, package: Row, product: Product) -> Price | None:
        stored = package["stripe_price_id"]
        found = self._gateway.retrieve_price(stored) if stored else None
        if found is None or not _fits(found, package, product):
            found = self._gateway.find_price_by_lookup_key(
                lookup_key(self._site, package["package_code"])
            )
        return found if found is not None and _fits(found, package, product) else None


def _fits(price: Price, package: Row, product: Product) -> bool:
    return (
        price.active
        and price.is_one_time
        and price.product_id == product.id
        and price.unit_amount == package["unit_amount"]
        and price.currency == package["currency"]
    )


def _product_params(state: AppState, package: Row) -> dict[str, Any]:
    description = {"description": package["description"]} if package["description"] else {}
    return {"name": package["package_name"], **description, "metadata": _marks(state, package)}


def _price_params(state: AppState, package: Row, product: Product) -> dict[str, Any]:
    return {
        "product": product.id,
        "unit_amount": package["unit_amount"],
        "currency": package["currency"],
        "lookup_key": lookup_key(state.settings.site, package["package_code"]),
        "transfer_lookup_key": True,
        "metadata": _marks(state, package),
    }


def _marks(state: AppState, package: Row) -> dict[str, str]:
    return {SITE_MARKER: state.settings.site, PACKAGE_MARKER: package["package_code"]}


def _key(params: Mapping[str, Any], replaced: str | None) -> str:
    """An idempotency key: for some minutes the same for the same wish.

    Not for longer, because Stripe repeats its errors of 5xx, too. After that, what was made
    is found by its marks.

    :param replaced: the id that turned out to be useless; Stripe would answer with it again.
    """
    wish = json.dumps([params, replaced, int(time()) // KEY_SECONDS], sort_keys=True)
    return f"flask-stripe-credits-{hashlib.sha256(wish.encode()).hexdigest()}"


def _store(state: AppState, package: Row, **ids: str) -> None:
    """Commit ids, unless the price that they belong to has changed meanwhile."""
    packages = state.models.table(state.models.Package)
    c = packages.c
    in_transaction(
        state,
        lambda uow: uow.execute(
            sa.update(packages)
            .where(
                c.id == package["id"],
                c.unit_amount == package["unit_amount"],
                c.currency == package["currency"],
            )
            .values(**ids, updated_at=uow.now)
        ),
    )
