"""Sell credits in a Flask app through Stripe Checkout."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

# pytest imports this package for the plugin in every suite of an environment that has it:
# Flask and SQLAlchemy are imported by those who use them.
_HOMES = {
    "GrantSnapshot": "snapshots",
    "Money": "money",
    "PurchaseSnapshot": "snapshots",
    "StripeCredits": "extension",
    "StripeCreditsError": "errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
