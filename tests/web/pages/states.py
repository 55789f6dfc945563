"""Every page in every state, for those who look at all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.hosts import Host

_PURCHASES: dict[str, dict[str, Any]] = {
    "confirming": {},
    "left": {},
    "unpaid": {},
    "processing": {"status": "processing"},
    "paid": {"status": "completed", "amount_paid": 1_000},
    "partly refunded": {"status": "completed", "amount_paid": 1_000, "amount_refunded": 400},
    "refunded": {"status": "refunded", "amount_paid": 1_000, "amount_refunded": 1_000},
    "disputed": {"status": "disputed", "amount_paid": 1_000},
    "review": {"status": "review"},
    "failed": {"status": "failed"},
    "expired": {"status": "expired"},
}
_QUERIES = {"confirming": "?returned=paid", "left": "?returned=left"}


def paths(host: Host, user_id: str = "alice") -> Iterator[tuple[str, str]]:
    """Yield what a page shows and its path below the prefix, after making what it shows."""
    host.user = "newcomer"
    yield "shop", ""
    yield "empty history", "/history"
    host.user = user_id
    for name, values in _PURCHASES.items():
        made = host.add_purchase(user_id=user_id, stripe_payment_intent_id=None, **values)
        yield name, f"/purchases/{made['id']}{_QUERIES.get(name, '')}"
    yield "history", "/history"
    yield "filtered history", "/history?status=refunded"
    yield "nothing found", "/history?since=2030-01-01&until=2029-01-01"
    yield "not found", "/purchases/nothing"
    host.user = None
    yield "sign in", "/history"
    host.user = user_id
