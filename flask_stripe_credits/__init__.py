"""Sell credits in a Flask app through Stripe Checkout."""

from __future__ import annotations

from .errors import StripeCreditsError
from .extension import StripeCredits
from .money import Money
from .snapshots import GrantSnapshot, PurchaseSnapshot

__all__ = [
    "GrantSnapshot",
    "Money",
    "PurchaseSnapshot",
    "StripeCredits",
    "StripeCreditsError",
]
