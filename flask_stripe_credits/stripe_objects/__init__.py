"""What we read of Stripe's objects, taken from plain dicts of any API version.

Metadata is a pointer, never a quantity: of it only the site and the purchase's id are read.
Fields that are missing or of an unexpected type are None, and None never matches anything.
"""

from __future__ import annotations

from .catalog import Price, Product
from .checkout_session import CheckoutSession
from .event import Event
from .fields import is_stripe_id, parse_uuid, stripe_id
from .markers import (
    FINGERPRINT_MARKER,
    PACKAGE_MARKER,
    PURCHASE_MARKER,
    REQUEST_MARKER,
    SITE_MARKER,
)
from .reversals import Charge, Dispute, Refund
from .webhook_endpoint import WebhookEndpoint

__all__ = [
    "FINGERPRINT_MARKER",
    "PACKAGE_MARKER",
    "PURCHASE_MARKER",
    "REQUEST_MARKER",
    "SITE_MARKER",
    "Charge",
    "CheckoutSession",
    "Dispute",
    "Event",
    "Price",
    "Product",
    "Refund",
    "WebhookEndpoint",
    "is_stripe_id",
    "parse_uuid",
    "stripe_id",
]
