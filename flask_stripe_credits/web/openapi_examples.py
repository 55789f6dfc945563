"""One body of each kind for the OpenAPI document, by the operation's name."""

from __future__ import annotations

from typing import Any

_PURCHASE_ID = "6f1d3a52-0c1e-4b7f-9c56-2f7b1f0d8a11"
_PACKAGE: dict[str, Any] = {
    "id": "0b9a3c1e-7d52-4a8e-8f60-5e1c2d3b4a59",
    "package_code": "starter",
    "package_name": "Starter Pack",
    "description": "Perfect for trying out the platform",
    "credits": 1000,
    "price_usd": 10.0,
    "unit_amount": 1000,
    "currency": "usd",
    "discount_percentage": 0,
    "is_active": True,
    "stripe_price_id": "price_1",
    "stripe_product_id": "prod_1",
}
_ADMINISTRATORS_PACKAGE = {
    **_PACKAGE,
    "display_order": 1,
    "created_at": "2026-11-23T10:00:00Z",
    "updated_at": "2026-11-23T10:00:00Z",
}
_HISTORY_ITEM: dict[str, Any] = {
    "id": _PURCHASE_ID,
    "package_name": "Starter Pack",
    "package_code": "starter",
    "amount_credits": 1000,
    "amount_paid": 10.0,
    "amount_refunded": 0.0,
    "currency": "usd",
    "credits_revoked": 0,
    "status": "completed",
    "created_at": "2026-11-23T10:59:38Z",
    "completed_at": "2026-11-23T11:00:12Z",
    "stripe_payment_id": "pi_1",
}
_ADMINISTRATORS_PURCHASE: dict[str, Any] = {
    "id": _PURCHASE_ID,
    "user_id": "alice",
    "package_code": "starter",
    "package_name": "Starter Pack",
    "amount_credits": 1000,
    "unit_amount": 1000,
    "amount_paid": 1000,
    "amount_refunded": 0,
    "credits_revoked": 0,
    "currency": "usd",
    "status": "completed",
    "review_reason": None,
    "review_decision": None,
    "livemode": False,
    "created_at": "2026-11-23T10:59:38Z",
    "paid_at": "2026-11-23T11:00:11Z",
    "completed_at": "2026-11-23T11:00:12Z",
    "stripe_checkout_session_id": "cs_test_1",
    "stripe_payment_intent_id": "pi_1",
}
_TAKINGS = {"purchases": 2, "gross": 2000, "refunded": 250, "disputed": 0, "net": 1750}
_START = "2026-11-23T00:00:00Z"
_FIGURES: dict[str, Any] = {
    "since": _START,
    "until": "2026-11-24T00:00:00Z",
    "bucket": "day",
    "package_code": None,
    "currencies": [
        {
            "currency": "usd",
            "total": {**_TAKINGS, "average": 1000},
            "steps": [{**_TAKINGS, "start": _START}],
            "refunds": {"number": 1, "amount": 250, "without_effect": 0},
            "disputes": {"number": 0, "amount": 0, "without_effect": 0},
            "lifetime": {"buyers": 2, "takings": _TAKINGS, "value": 875},
        }
    ],
    "purchases": 2,
    "credits_sold": 2000,
    "average_credits": 1000,
    "credits": {"granted": 2000, "taken_back": 250},
    "credits_in_steps": [{"granted": 2000, "taken_back": 250, "start": _START}],
    "packages": [
        {
            "package_code": "starter",
            "package_name": "Starter Pack",
            "currency": "usd",
            "purchases": 2,
            "gross": 2000,
            "credits": 2000,
        }
    ],
    "funnel": {
        "opened": 4,
        "paid": 2,
        "paid_percent": 50.0,
        "granted": 2,
        "granted_percent": 50.0,
        "expired": 1,
        "expired_percent": 25.0,
        "pending": 1,
        "processing": 0,
        "failed": 0,
        "review": 0,
    },
    "webhooks": {
        "verdicts": {"handled": 3},
        "last_handled_at": "2026-11-23T11:00:12Z",
        "failed_now": 0,
    },
    "waiting": {"purchases": 0, "events": 0, "orphans": 0},
    "undelivered": {"grants": 0, "credits": 0, "oldest_at": None},
}

REQUESTS: dict[str, Any] = {
    "openCheckout": {
        "package_code": "starter",
        "success_url": "/thanks?purchase={PURCHASE_ID}",
        "cancel_url": "/credits",
    },
    "refundPurchase": {"amount": 250, "reason": "requested_by_customer"},
    "replayEvent": {},
    "decide": {"decision": "accept", "reason": "paid in another currency, as agreed"},
    "createPackage": {
        "package_code": "mega",
        "package_name": "Mega Pack",
        "credits": 100000,
        "unit_amount": 60000,
        "currency": "usd",
        "description": None,
        "discount_percentage": 40,
        "is_active": True,
        "display_order": 5,
    },
    "updatePackage": {"package_name": "Starter", "unit_amount": 1200},
    "activatePackage": {},
    "deactivatePackage": {},
}
RESPONSES: dict[str, Any] = {
    "listPackages": [_PACKAGE],
    "openCheckout": {
        "checkout_url": "https://checkout.stripe.com/c/pay/cs_test_1",
        "session_id": "cs_test_1",
        "purchase_id": _PURCHASE_ID,
        "status": "pending",
        "expires_at": "2026-11-24T10:59:38Z",
    },
    "listHistory": [_HISTORY_ITEM],
    "showPurchase": {
        **_HISTORY_ITEM,
        "checkout_url": None,
        "expires_at": None,
        "delivered": True,
    },
    "receiveEvent": {"received": True, "verdict": "handled"},
    "checkHealth": {"status": "ok", "settings": "ok", "database": "ok", "tables": "ok"},
    "checkLiveness": {"status": "ok"},
    "findPurchases": [_ADMINISTRATORS_PURCHASE],
    "showAnyPurchase": {
        **_ADMINISTRATORS_PURCHASE,
        "meaning": "Paid and granted.",
        "next": ["flask credits refund " + _PURCHASE_ID],
        "timeline": [
            {
                "at": "2026-11-23T10:59:38Z",
                "kind": "created",
                "title": "A checkout was opened",
                "actor": "alice",
                "details": {"unit_amount": 1000, "currency": "usd"},
            }
        ],
    },
    "refundPurchase": {
        "how": "made",
        "request_id": "c2a4e6f8-1b3d-4f5a-9e7c-8d6b4a2f0e13",
        "purchase_id": _PURCHASE_ID,
        "refund_id": "re_1",
        "amount": 250,
        "currency": "usd",
        "refund_status": "succeeded",
        "actor": "olivia",
        "status": "completed",
        "credits_revoked": 250,
        "undelivered": 0,
    },
    "replayEvent": {
        "event_id": "evt_1",
        "type": "checkout.session.completed",
        "object_id": "cs_test_1",
        "verdict": "handled",
        "purchase_id": _PURCHASE_ID,
        "credits": 1000,
        "problem": None,
    },
    "listWaiting": [
        {
            "kind": "purchase",
            "id": _PURCHASE_ID,
            "purchase_id": _PURCHASE_ID,
            "object_id": "cs_test_1",
            "reason": "currency: eur instead of usd",
            "since": "2026-11-23T11:00:12Z",
        }
    ],
    "decide": {
        "purchase_id": _PURCHASE_ID,
        "status": "completed",
        "credits_posted": 1000,
        "credits_never_delivered": 0,
        "refusal": None,
    },
    "listAllPackages": [_ADMINISTRATORS_PACKAGE],
    "createPackage": _ADMINISTRATORS_PACKAGE,
    "updatePackage": _ADMINISTRATORS_PACKAGE,
    "activatePackage": _ADMINISTRATORS_PACKAGE,
    "deactivatePackage": _ADMINISTRATORS_PACKAGE,
    "showFigures": _FIGURES,
}
