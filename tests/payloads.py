"""What Stripe sends, signed as Stripe signs it, as plain dicts; and the purchases it is about."""

from __future__ import annotations

import datetime as dt
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any

API_VERSION = "2026-10-28.endive"


def new_secret() -> str:
    """A webhook signing secret, made at run time so that no real-looking one is in the tree."""
    return "whsec_" + secrets.token_hex(16)


def new_api_key(mode: str = "test") -> str:
    return f"sk_{mode}_" + secrets.token_hex(12)


def pending_purchase() -> dict[str, Any]:
    """The row of a purchase whose session is open, as far as the table has no defaults for it."""
    now, key = dt.datetime.now(dt.UTC), uuid.uuid4()
    return {
        "id": key,
        "user_id": "alice",
        "package_code": "starter",
        "package_name": "Starter Pack",
        "amount_credits": 1000,
        "unit_amount": 1000,
        "currency": "usd",
        "stripe_checkout_session_id": f"cs_test_{key.hex}",
        "checkout_params": {},
        "request_hash": "0" * 64,
        "livemode": False,
        "created_at": now,
        "updated_at": now,
    }


def checkout_session(purchase: Mapping[str, Any], **overrides: Any) -> dict[str, Any]:
    """A completed and paid session of ``purchase`` (a row as a mapping), as Stripe tells it."""
    purchase_id = str(purchase["id"])
    amount = purchase["unit_amount"]
    session = {
        "id": purchase["stripe_checkout_session_id"] or f"cs_test_{secrets.token_hex(12)}",
        "object": "checkout.session",
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "status": None},
        "client_reference_id": purchase_id,
        "created": int(time.time()),
        "currency": purchase["currency"],
        "customer_details": {"email": "buyer@shop.test", "name": "Buyer"},
        "expires_at": int(time.time()) + 86_400,
        "livemode": False,
        "metadata": {
            "flask_stripe_credits": "local",
            "purchase_id": purchase_id,
            "user_id": purchase["user_id"],
            "credits": str(purchase["amount_credits"]),
            "package_code": purchase["package_code"],
        },
        "mode": "payment",
        "payment_intent": f"pi_{purchase_id.replace('-', '')[:24]}",
        "payment_status": "paid",
        "status": "complete",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "url": None,
    }
    return session | overrides


def refund(payment_intent: str, amount: int, **overrides: Any) -> dict[str, Any]:
    """A refund that succeeded; ``amount`` in US cents."""
    return {
        "id": f"re_{secrets.token_hex(12)}",
        "object": "refund",
        "amount": amount,
        "balance_transaction": f"txn_{secrets.token_hex(12)}",
        "charge": f"ch_{secrets.token_hex(12)}",
        "created": int(time.time()),
        "currency": "usd",
        "metadata": {},
        "payment_intent": payment_intent,
        "reason": "requested_by_customer",
        "status": "succeeded",
    } | overrides


def dispute(
    payment_intent: str, amount: int, *, withdrawals: int = 1, **overrides: Any
) -> dict[str, Any]:
    """A dispute; ``amount`` in US cents, ``withdrawals`` as often as money moved for it."""
    moved = [
        {"id": f"txn_{secrets.token_hex(12)}", "amount": sign * amount, "currency": "usd"}
        for sign in (-1, 1)[:withdrawals]
    ]
    return {
        "id": f"du_{secrets.token_hex(12)}",
        "object": "dispute",
        "amount": amount,
        "balance_transactions": moved,
        "charge": f"ch_{secrets.token_hex(12)}",
        "created": int(time.time()),
        "currency": "usd",
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": payment_intent,
        "reason": "fraudulent",
        "status": "needs_response",
    } | overrides


def event(type_: str, data_object: Mapping[str, Any], **overrides: Any) -> dict[str, Any]:
    """A snapshot event about ``data_object``."""
    return {
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "api_version": API_VERSION,
        "created": int(time.time()),
        "data": {"object": dict(data_object)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type_,
    } | overrides


def sign(body: bytes, secret: str, *, at: float | None = None, scheme: str = "v1") -> str:
    """The ``Stripe-Signature`` header for ``body``."""
    timestamp = str(int(time.time() if at is None else at))
    signed = timestamp.encode() + b"." + body
    signature = hmac.digest(secret.encode(), signed, "sha256").hex()
    return f"t={timestamp},{scheme}={signature}"


def encode(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
