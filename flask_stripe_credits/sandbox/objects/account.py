"""The merchant's account."""

from __future__ import annotations

from ..store import Json


def account() -> Json:
    """Return the one account that the sandbox has, without any settings."""
    return {
        "id": "acct_1Sandbox",
        "object": "account",
        "business_profile": {
            "mcc": None,
            "name": "Sandbox",
            "product_description": None,
            "support_address": None,
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": None,
        },
        "business_type": None,
        "capabilities": {"card_payments": "active", "sepa_debit_payments": "active"},
        "charges_enabled": True,
        "country": "US",
        "created": 0,
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": False,
        "type": "standard",
    }
