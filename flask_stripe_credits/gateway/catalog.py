"""Products and prices at Stripe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..stripe_objects import Price, Product
from .answers import read
from .connection import PAGE_SIZE, Connection


class Catalog(Connection):
    """The part of the gateway that is about products and prices."""

    def retrieve_product(self, product_id: str) -> Product | None:
        """Return a product, None when there is none with this id.

        :raises GatewayOtherMode: there is one, in the other mode than the API key's.
        :raises GatewayUnavailable, GatewayRejected, GatewayKeyRefused, NotConfigured: this and
            all methods about products and prices, as :meth:`create_checkout_session`.
        """
        client = self._client()
        return self._found(Product, lambda: client.v1.products.retrieve(product_id))

    def list_products(self) -> list[Product]:
        """Return all products of the account, archived ones too."""
        client = self._client()
        found = self._call(
            lambda: [
                product.to_dict()
                for product in client.v1.products.list({"limit": PAGE_SIZE}).auto_paging_iter()
            ]
        )
        return [read(Product, product) for product in found]

    def create_product(self, params: Mapping[str, Any]) -> Product:
        """Make a product.

        :raises GatewayRejected: with code ``resource_already_exists``, when its ``id`` is taken.
        """
        client = self._client()
        return self._made(
            Product,
            lambda: client.v1.products.create(dict(params)),  # type: ignore[arg-type]
        )

    def update_product(self, product_id: str, params: Mapping[str, Any]) -> Product:
        """Change a product. Safe to repeat."""
        client = self._client()
        return self._made(
            Product,
            lambda: client.v1.products.update(
                product_id,
                dict(params),  # type: ignore[arg-type]
            ),
        )

    def retrieve_price(self, price_id: str) -> Price | None:
        """Return a price, None when there is none with this id.

        :raises GatewayOtherMode: there is one, in the other mode than the API key's.
        """
        client = self._client()
        return self._found(Price, lambda: client.v1.prices.retrieve(price_id))

    def list_prices(self, product_id: str) -> list[Price]:
        """Return all prices of a product, newest first, archived ones too."""
        client = self._client()
        params: Any = {"product": product_id, "limit": PAGE_SIZE}
        found = self._call(
            lambda: [price.to_dict() for price in client.v1.prices.list(params).auto_paging_iter()]
        )
        return [read(Price, price) for price in found]

    def find_price_by_lookup_key(self, lookup_key: str) -> Price | None:
        """Return the price that has this lookup key, in use or archived; only one can have it."""
        client = self._client()
        params: Any = {"lookup_keys": [lookup_key]}
        found = self._call(
            lambda: [price.to_dict() for price in client.v1.prices.list(params).data]
        )
        return read(Price, found[0]) if found else None

    def create_price(self, params: Mapping[str, Any]) -> Price:
        """Make a price.

        :raises GatewayRejected: also when another price has its ``lookup_key`` and it doesn't
            say ``transfer_lookup_key``.
        """
        client = self._client()
        return self._made(
            Price,
            lambda: client.v1.prices.create(dict(params)),  # type: ignore[arg-type]
        )

    def update_price(self, price_id: str, params: Mapping[str, Any]) -> Price:
        """Change what can be changed of a price: not what it costs. Safe to repeat."""
        client = self._client()
        return self._made(
            Price,
            lambda: client.v1.prices.update(price_id, dict(params)),  # type: ignore[arg-type]
        )
