"""What is for sale at Stripe: products and their prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .fields import amount, boolean, currency, mapping, reference, stripe_id, text
from .markers import PACKAGE_MARKER, SITE_MARKER


@dataclass(frozen=True, slots=True)
class Product:
    """A Product.

    :ivar site: the installation that our marker names, None without a marker.
    :ivar package_code: the package that our marker names.
    :ivar default_price_id: which of its prices the Dashboard shows first.
    """

    id: str
    active: bool
    name: str | None
    description: str | None
    site: str | None
    package_code: str | None
    default_price_id: str | None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Product:
        """Read a product from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        metadata = mapping(payload, "metadata")
        name, description = payload.get("name"), payload.get("description")
        return cls(
            id=stripe_id(payload, "id"),
            active=boolean(payload, "active") is True,
            name=name if isinstance(name, str) else None,
            description=description if isinstance(description, str) else None,
            site=text(metadata, SITE_MARKER),
            package_code=text(metadata, PACKAGE_MARKER),
            default_price_id=reference(payload, "default_price"),
        )


@dataclass(frozen=True, slots=True)
class Price:
    """A Price. ``unit_amount`` is minor units of ``currency``; None unless it is a plain price.

    :ivar site: the installation that our marker names, None without a marker.
    :ivar package_code: the package that our marker names.
    """

    id: str
    active: bool
    product_id: str | None
    unit_amount: int | None
    currency: str | None
    is_one_time: bool
    lookup_key: str | None
    site: str | None
    package_code: str | None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Price:
        """Read a price from Stripe's JSON.

        :raises MalformedEvent: when it has no id.
        """
        metadata = mapping(payload, "metadata")
        return cls(
            id=stripe_id(payload, "id"),
            active=boolean(payload, "active") is True,
            product_id=reference(payload, "product"),
            unit_amount=amount(payload, "unit_amount"),
            currency=currency(payload),
            is_one_time=text(payload, "type") == "one_time",
            lookup_key=text(payload, "lookup_key"),
            site=text(metadata, SITE_MARKER),
            package_code=text(metadata, PACKAGE_MARKER),
        )
