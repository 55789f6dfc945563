"""Thousands of purchases, here and at Stripe, in a minute instead of an hour."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from .shoppers import buy, buy_and_pay, make_older, make_older_at_stripe, repair

ROWS_AT_ONCE = 1_000
# Of each hundred purchases; the rest are in line.
MISSED = {"paid": 2, "expired": 2, "refund": 1, "pending": 3}


def add_crowd(
    host: Host, stripe: Sandbox, count: int, *, start: int = 0, days_ago: tuple[int, int] = (30, 0)
) -> Counter[str]:
    """Add ``count`` purchases; return how many findings of each kind they are.

    :param start: the number of the first, when there were others before.
    :param days_ago: of the first and the last. Later crowds are younger, as at Stripe.
    """
    user = f"model {start}"
    paid = buy_and_pay(host, stripe, user)
    repair(host)
    model, opened = host.purchase(paid["id"]), buy(host, user)
    (grant,) = host.grants(purchase_id=model["id"])
    (entry,) = host.rows(host.LedgerEntry, user_id=user)
    session = stripe.session(model["stripe_checkout_session_id"])
    waiting = stripe.session(opened["stripe_checkout_session_id"])
    refund = {
        "object": "refund",
        "amount": 1000,
        "currency": "usd",
        "status": "succeeded",
        "metadata": {},
    }
    kinds = itertools.cycle(
        [kind for kind, number in MISSED.items() for _ in range(number)]
        + ["in line"] * (100 - sum(MISSED.values()))
    )
    expected: Counter[str] = Counter()
    first, last = (dt.datetime.now(dt.UTC) - dt.timedelta(days=days) for days in days_ago)
    for purchase in (model, opened):
        make_older(host, purchase, days=days_ago[0] + 1)
        make_older_at_stripe(stripe, purchase["stripe_checkout_session_id"], days=days_ago[0] + 1)
    for numbers in _batches(start, count):
        rows: dict[str, list[dict[str, Any]]] = {"purchase": [], "grant": [], "entry": []}
        with stripe.store.transaction():
            for number in numbers:
                kind = next(kinds)
                expected[kind] += 1
                key = uuid.UUID(int=number + 1)
                at = first + (last - first) * (number - start) / count
                names = {
                    "id": f"cs_test_crowd{number}",
                    "created": int(at.timestamp()) + 1,
                    "client_reference_id": str(key),
                    "metadata": {**session["metadata"], "purchase_id": str(key)},
                }
                intent = {"payment_intent": f"pi_crowd{number}"}
                base = model if kind in ("in line", "refund") else opened
                row = {
                    **base,
                    "id": key,
                    "user_id": f"user {number}",
                    "stripe_checkout_session_id": names["id"],
                    "created_at": at,
                }
                if base is model:
                    paid = {"stripe_payment_intent_id": intent["payment_intent"]}
                    row |= {**paid, "completed_at": at}
                    whose = {"user_id": row["user_id"]}
                    grant_id = uuid.uuid5(key, "1")
                    of_row = {"id": grant_id, "purchase_id": key, "created_at": at}
                    rows["grant"].append({**grant, **whose, **of_row})
                    rows["entry"].append({**entry, **whose, "id": str(grant_id)})
                rows["purchase"].append(row)
                if kind in ("in line", "paid", "refund"):
                    stripe.store.add({**session, **names, **intent})
                else:
                    status = "expired" if kind == "expired" else "open"
                    stripe.store.add({**waiting, **names, "status": status})
                if kind == "refund":
                    stripe.store.add(
                        {**refund, **intent, "id": f"re_{number}", "created": names["created"]}
                    )
        _insert(host, rows)
    return Counter({kind: expected[kind] for kind in ("paid", "expired", "refund")})


def _batches(start: int, count: int) -> Iterator[range]:
    for first in range(start, start + count, ROWS_AT_ONCE):
        yield range(first, min(first + ROWS_AT_ONCE, start + count))


def _insert(host: Host, rows: dict[str, list[dict[str, Any]]]) -> None:
    models = {
        "purchase": host.credits.Purchase,
        "grant": host.credits.Grant,
        "entry": host.LedgerEntry,
    }
    with host.app.app_context(), host.db.engine.begin() as connection:
        for name, model in models.items():
            if rows[name]:
                connection.execute(sa.insert(model.__table__), rows[name])
