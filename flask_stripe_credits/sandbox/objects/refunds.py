"""Refunds."""

from __future__ import annotations

from ..ids import new_id
from ..store import Json


def refund(charge: Json, amount: int, params: Json, now: int, *, status: str) -> Json:
    """Return a refund of a charge without its balance transaction.

    :param amount: minor units of the charge's currency.
    :param params: those of ``POST /v1/refunds``.
    """
    method = charge["payment_method_details"]["type"]
    pending = {"pending_reason": "processing"} if status == "pending" else {}
    return {
        "id": new_id("re_"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "destination_details": {method: _destination(method), "type": method},
        "metadata": params.get("metadata", {}),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        **pending,
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }


def _destination(method: str) -> Json:
    if method != "card":
        return {}
    return {
        "reference_status": "pending",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    }
