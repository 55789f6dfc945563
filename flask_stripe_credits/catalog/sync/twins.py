"""Finding what Stripe has of a package: by the stored ids, by the marks, by the lookup key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TypeVar

from ...errors import GatewayOtherMode
from ...state import AppState
from ...stripe_objects import Price, Product
from ..changes import Row
from .marks import is_ours, lookup_key, product_id

Found = TypeVar("Found", Product, Price)


class Twins:
    """What Stripe has of the packages, asked package by package.

    :param replace_ids: forget stored ids of the other mode, instead of refusing.
    """

    def __init__(self, state: AppState, *, replace_ids: bool = False) -> None:
        self._gateway = state.gateway
        self._site = state.settings.site
        # An id of test mode is worth nothing to a live key: going live replaces it.
        self._replace_ids = replace_ids or state.settings.require_livemode()

    def product_of(self, package: Row) -> Product | None:
        """Return the package's product, None when one has to be made.

        :raises GatewayOtherMode: a stored id is one of live mode, and the API key is a test key.
        """
        stored = self._stored_product(package)
        if stored is not None or not package["is_active"]:
            return stored
        return self._product_of_lookup_key(package) or self._marked_product(package)

    def prices_of(self, product: Product) -> list[Price]:
        """Return all prices of a product, archived ones too."""
        return self._gateway.list_prices(product.id)

    def choose(self, package: Row, prices: Sequence[Price]) -> Price | None:
        """Return the price to use of those of the package's product, None when none fits."""
        key, code = lookup_key(self._site, package), package["package_code"]

        def preference(price: Price) -> tuple[bool, ...]:
            stored = price.id == package["stripe_price_id"]
            return (stored, price.lookup_key == key, is_ours(price, self._site, code), price.active)

        fitting = [price for price in prices if fits(price, package) and any(preference(price))]
        # Lists come newest first: of equals, the oldest.
        return max(reversed(fitting), key=preference, default=None)

    def old_prices(
        self, package: Row, prices: Iterable[Price], wanted: Price | None
    ) -> list[Price]:
        """Return what is to be archived: what we made for the package and don't use any more."""
        code = package["package_code"]
        return [
            price
            for price in prices
            if price.active
            and is_ours(price, self._site, code)
            and (wanted is None or price.id != wanted.id)
        ]

    def _stored_product(self, package: Row) -> Product | None:
        found = self._retrieve(self._gateway.retrieve_product, package["stripe_product_id"])
        if found is None:
            price = self._retrieve(self._gateway.retrieve_price, package["stripe_price_id"])
            if price is not None and price.product_id is not None:
                found = self._gateway.retrieve_product(price.product_id)
        # A copy of another installation's database names that installation's products.
        return found if found is not None and found.site in (None, self._site) else None

    def _retrieve(self, ask: Callable[[str], Found | None], stored: str | None) -> Found | None:
        try:
            return ask(stored) if stored else None
        except GatewayOtherMode:
            if self._replace_ids:
                return None
            raise

    def _marked_product(self, package: Row) -> Product | None:
        """Ours before one that nobody has taken, in use before archived, the oldest of equals."""
        code = package["package_code"]
        made = product_id(self._site, code)

        def preference(product: Product) -> tuple[bool, bool, bool]:
            ours = is_ours(product, self._site, code)
            return (ours, product.id == made, product.active)

        candidates = [
            product
            for product in self._products
            if product.id == made
            or (product.package_code == code and product.site in (None, self._site))
        ]
        return max(reversed(candidates), key=preference, default=None)

    @cached_property
    def _products(self) -> list[Product]:
        return self._gateway.list_products()

    def _product_of_lookup_key(self, package: Row) -> Product | None:
        price = self._gateway.find_price_by_lookup_key(lookup_key(self._site, package))
        if price is None or price.product_id is None:
            return None
        found = self._gateway.retrieve_product(price.product_id)
        return found if found is not None and found.site in (None, self._site) else None


def fits(price: Price, package: Row) -> bool:
    """Whether a price is what the package costs, in use or archived."""
    return (
        price.is_one_time
        and price.unit_amount == package["unit_amount"]
        and price.currency == package["currency"]
    )
