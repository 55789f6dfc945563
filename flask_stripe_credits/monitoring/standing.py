"""What only the database knows: what is paid but not granted, and what waits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..facts import Decision, PurchaseStatus, Verdict, posts_nothing, reversals_of, target
from ..review_queue import count_waiting
from ..state import AppState
from ..statements import dismissed, undecided

# What is older was told for three months; `flask credits audit` reads everything.
WINDOW = dt.timedelta(days=90)
MOST_LOOKED_AT = 500

_NOT_GRANTED = (PurchaseStatus.PENDING, PurchaseStatus.PROCESSING, PurchaseStatus.EXPIRED)
_TELL_OF_PAYMENT = ("checkout.session.completed", "checkout.session.async_payment_succeeded")


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many wait, the oldest of them for so long."""

    count: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One moment of the database.

    :ivar paid_not_granted: by how it is seen: ``recorded``, the payment is in its row; or
        ``failed_event``, an event that tells of it failed and didn't come again.
    :ivar waiting: for an operator, by kind.
    :ivar last_handled: when a webhook was last handled.
    """

    paid_not_granted: Mapping[str, Waiting]
    undelivered: Waiting
    waiting: Mapping[str, int]
    last_handled: dt.datetime | None


def read_standing(state: AppState, connection: sa.Connection) -> Standing:
    """Read it, from indexes."""
    now = dt.datetime.now(dt.UTC)
    events = state.models.table(state.models.WebhookEvent).c
    failed = sa.select(sa.func.count()).where(
        events.verdict == Verdict.FAILED, events.received_at > now - WINDOW
    )
    handled = sa.select(sa.func.max(events.received_at)).where(events.verdict == Verdict.HANDLED)
    return Standing(
        paid_not_granted={
            "recorded": _recorded(state, connection, now),
            "failed_event": _told_in_vain(state, connection, now),
        },
        undelivered=_undelivered(state, connection, now),
        waiting=count_waiting(state.models, connection)
        | {"failed event": connection.execute(failed).scalar_one()},
        last_handled=connection.execute(handled).scalar_one_or_none(),
    )


def _recorded(state: AppState, connection: sa.Connection, now: dt.datetime) -> Waiting:
    """Purchases whose payment is recorded, and whose first grant is due and missing.

    Facts and grants are written together: this is what a bug or a hand in the database leaves.
    """
    purchases = state.models.table(state.models.Purchase)
    c = purchases.c
    candidates = (
        sa.select(purchases)
        .where(
            c.created_at > now - WINDOW,
            c.paid_at.is_not(None),
            c.completed_at.is_(None),
            c.status != PurchaseStatus.REVIEW,
        )
        .order_by(c.created_at.desc())
        .limit(MOST_LOOKED_AT)
    )
    rows = connection.execute(candidates).mappings().all()
    return _since([row["paid_at"] for row in rows if _is_due(state, connection, row)], now)


def _is_due(state: AppState, connection: sa.Connection, row: Any) -> bool:
    if posts_nothing(row):
        return False
    read = state.statements(connection.dialect.name).read_facts
    purchase: Any = connection.execute(read, {"purchase_id": row["id"]}).mappings().one()
    due = target(purchase, reversals_of(purchase), allow_free=state.settings.allow_free)
    return bool(due > purchase["posted"])


def _told_in_vain(state: AppState, connection: sa.Connection, now: dt.datetime) -> Waiting:
    """Events that tell of a payment, failed and didn't come again, while nothing is granted."""
    models = state.models
    events, purchases = models.table(models.WebhookEvent).c, models.table(models.Purchase).c
    found = connection.execute(
        sa.select(events.received_at)
        .where(
            events.verdict == Verdict.FAILED,
            events.received_at > now - WINDOW,
            events.type.in_(_TELL_OF_PAYMENT),
            sa.exists().where(
                purchases.stripe_checkout_session_id == events.object_id,
                purchases.status.in_(_NOT_GRANTED),
            ),
        )
        .limit(MOST_LOOKED_AT)
    )
    return _since(found.scalars().all(), now)


def _undelivered(state: AppState, connection: sa.Connection, now: dt.datetime) -> Waiting:
    models = state.models
    grants, purchases = models.table(models.Grant), models.table(models.Purchase)
    g, p = grants.c, purchases.c
    count, oldest = connection.execute(
        sa.select(sa.func.count(), sa.func.min(g.created_at))
        .join_from(grants, purchases, p.id == g.purchase_id)
        .where(g.delivered_at.is_(None), ~undecided(p), ~dismissed(p, Decision.DISMISSED))
    ).one()
    return Waiting(count, _seconds_since(oldest, now))


def _since(times: Any, now: dt.datetime) -> Waiting:
    return Waiting(len(times), _seconds_since(min(times, default=None), now))


def _seconds_since(time: dt.datetime | None, now: dt.datetime) -> float:
    return 0.0 if time is None else max((now - time).total_seconds(), 0.0)
