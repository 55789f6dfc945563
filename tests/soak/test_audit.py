"""Audit 100,000 purchases: how long it takes, in how much memory, and that it misses none."""

from __future__ import annotations

import datetime as dt
import time
import tracemalloc
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.audit import Audit

from ..figures import Figures, scaled
from ..hosts import Host, make_host

pytestmark = pytest.mark.soak
ROWS_AT_A_TIME = 10_000
# The traced peak of a run; what grows with the number of purchases would be far above.
MOST_MORE_KILOBYTES = 1_000


def sold(number: int) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """A purchase that was paid, and of every tenth a quarter refunded; its grants; its refunds."""
    now, key = dt.datetime.now(dt.UTC), uuid.uuid4()
    refunded = 250 if number % 10 == 0 else 0
    purchase = {
        "id": key,
        "user_id": f"user{number}",
        "package_code": "starter",
        "package_name": "Starter Pack",
        "amount_credits": 1000,
        "unit_amount": 1000,
        "currency": "usd",
        "stripe_checkout_session_id": f"cs_test_{number}",
        "stripe_payment_intent_id": f"pi_{number}",
        "checkout_params": {"line_items": [{"quantity": 1}]},
        "checkout_attempt": 1,
        "request_hash": "0" * 64,
        "livemode": False,
        "session_completed_at": now,
        "paid_at": now,
        "amount_paid": 1000,
        "status": "completed",
        "amount_refunded": refunded,
        "credits_revoked": refunded,
        "completed_at": now,
        "created_at": now,
        "updated_at": now,
    }
    grants = [
        {
            "id": uuid.uuid4(),
            "purchase_id": key,
            "sequence": sequence,
            "user_id": purchase["user_id"],
            "credits": credits,
            "reason": reason,
            "cause": "evt",
            "created_at": now,
            "delivered_at": now,
            "attempts": 1,
        }
        for sequence, credits, reason in ((1, 1000, "purchase"), (2, -refunded, "refund"))
        if credits
    ]
    refund = {
        "stripe_refund_id": f"re_{number}",
        "stripe_payment_intent_id": f"pi_{number}",
        "amount": refunded,
        "currency": "usd",
        "status": "succeeded",
        "live_rank": 20,
        "created_at": now,
        "updated_at": now,
    }
    return purchase, grants, [refund] if refunded else []


def sell(host: Host, start: int, count: int) -> None:
    models = host.state.models
    tables = [models.table(model) for model in (models.Purchase, models.Grant, models.Refund)]
    with host.app.app_context():
        for first in range(start, start + count, ROWS_AT_A_TIME):
            many = [sold(one) for one in range(first, min(first + ROWS_AT_A_TIME, start + count))]
            with host.db.engine.begin() as connection:
                for place, table in enumerate(tables):
                    rows: Any = [row if place == 0 else None for row, *_ in many]
                    if place > 0:
                        rows = [row for each in many for row in each[place]]
                    connection.execute(sa.insert(table), rows)


def audited(host: Host) -> Audit:
    with host.app.app_context():
        audit = Audit(host.state)
        for _ in audit.breaches():
            pass
    return audit


def peak_kilobytes(host: Host) -> int:
    tracemalloc.start()
    audited(host)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak // 1024


def test_many_purchases_are_audited_in_the_memory_of_few(
    database_url: str, figures: Figures
) -> None:
    host = make_host(database_url)
    few, many = scaled(5_000, least=3_000), scaled(100_000)
    sell(host, 0, few)
    audited(host)
    small = peak_kilobytes(host)
    sell(host, few, many)
    started, cpu = time.monotonic(), time.process_time()
    clean = audited(host)
    took, used = time.monotonic() - started, time.process_time() - cpu
    assert (clean.found, clean.purchases) == (0, few + many)
    assert clean.due == clean.posted == 1000 * (few + many) - 250 * ((few + many) // 10)
    large = peak_kilobytes(host)
    grants = host.state.models.table(host.credits.Grant)
    with host.app.app_context(), host.db.engine.begin() as connection:
        wrong = sa.update(grants).where(grants.c.reason == "refund").values(credits=-249)
        connection.execute(wrong)
    figures(
        sessions=few + many,
        grants=clean.grants,
        audit_seconds=round(took, 1),
        audit_cpu=round(used, 1),
        few_kb=small,
        many_kb=large,
        found=audited(host).found,
    )
    assert audited(host).found == (few + many) // 10
    assert large < small + MOST_MORE_KILOBYTES
