"""A local stand-in for Stripe: its API, a payment page, and signed webhooks. No real money.

Imports nothing of this package but ``money``.
"""

from __future__ import annotations

from .bank_accounts import TEST_ACCOUNTS
from .bulk import Sold
from .cards import TEST_CARDS
from .chaos import Chaos
from .control import Sandbox, create_sandbox, sandbox_of
from .errors import ApiError
from .payments import NotOpen, Outcome
from .server import AddressUnusable
from .store import StateFileUnusable

__all__ = [
    "TEST_ACCOUNTS",
    "TEST_CARDS",
    "AddressUnusable",
    "ApiError",
    "Chaos",
    "NotOpen",
    "Outcome",
    "Sandbox",
    "Sold",
    "StateFileUnusable",
    "create_sandbox",
    "sandbox_of",
]
