"""Balance transactions: what moved on the merchant's balance. The sandbox charges no fees."""

from __future__ import annotations

from ..ids import new_id
from ..store import Json


def transaction(
    of: Json, amount: int, now: int, *, type: str, description: str | None, category: str
) -> Json:
    """Return the movement that ``of`` (a charge, refund or dispute) caused.

    :param amount: minor units of ``of``'s currency; negative for money that leaves.
    :param category: Stripe's ``reporting_category``.
    """
    return {
        "id": new_id("txn_"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now,
        "balance_type": "payments",
        "created": now,
        "currency": of["currency"],
        "description": description,
        "exchange_rate": None,
        "fee": 0,
        "fee_details": [],
        "net": amount,
        "reporting_category": category,
        "source": of["id"],
        "status": "available",
        "type": type,
    }
