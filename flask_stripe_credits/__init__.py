"""Sell credits in a Flask app through Stripe Checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .deferred import public_names

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
if not TYPE_CHECKING:  # To a type checker any name would be one.
    __getattr__ = public_names(
        __name__,
        {
            "GrantSnapshot": "snapshots",
            "Money": "money",
            "PurchaseSnapshot": "snapshots",
            "StripeCredits": "extension",
            "StripeCreditsError": "errors",
        },
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
