"""Products and prices at Stripe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..stripe_objects import Price, Product
from .answers import read
from .connection import Connection


class Catalog(Connection):
    """The part of the gateway that is about products and prices."""

    def retrieve_product(self, product_id: str) -> Product | None:
        """Return a product, None when there is none with this id.

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
                for product in client.v1.products.list({"limit": 100}).auto_paging_iter()
            ]
        )
        return [read(Product, product) for product in found]

    def create_product(self, params: Mapping[str, Any], *, idempotency_key: str) -> Product:
        """Make a product. Safe to repeat with the same key and parameters."""
        client = self._client()
        return self._made(
            Product,
            lambda: client.v1.products.create(
                dict(params),  # type: ignore[arg-type]
                {"idempotency_key": idempotency_key},
            ),
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
        """Return a price, None when there is none with this id."""
        client = self._client()
        return self._found(Price, lambda: client.v1.prices.retrieve(price_id))

    def find_price_by_lookup_key(self, lookup_key: str) -> Price | None:
        """Return the price in use that has this lookup key; Stripe lets only one have it."""
        client = self._client()
        params: Any = {"lookup_keys": [lookup_key], "active": True}
        found = self._call(
            lambda: [price.to_dict() for price in client.v1.prices.list(params).data]
        )
        return read(Price, found[0]) if found else None

    def create_price(self, params: Mapping[str, Any], *, idempotency_key: str) -> Price:
        """Make a price. Safe to repeat with the same key and parameters."""
        client = self._client()
        return self._made(
            Price,
            lambda: client.v1.prices.create(
                dict(params),  # type: ignore[arg-type]
                {"idempotency_key": idempotency_key},
            ),
        )
