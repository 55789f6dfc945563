"""What somebody should look at: webhooks that fail, what waits for an operator or for delivery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from ..facts import Decision, Verdict
from ..models import Models
from ..review_queue import count_waiting
from ..statements import dismissed
from .known import values_of
from .period import Steps
from .stepwise import in_all


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Events of Stripe's about our purchases, as far as the inbox has them.

    :ivar verdicts: how many of those that first came in the period have each verdict now.
    :ivar last_handled_at: when the newest event that was handled first came, in any period.
    :ivar failed_now: how many, of any period, failed and weren't handled since.
    """

    verdicts: Mapping[str, int]
    last_handled_at: dt.datetime | None
    failed_now: int


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Grants that no receiver has taken yet. Always none without the outbox.

    Not those of a dismissed purchase: nobody is ever handed them.

    :ivar oldest_at: when the oldest of them was written.
    """

    grants: int
    credits: int
    oldest_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for an operator's decision now."""

    purchases: int
    events: int
    orphans: int


def webhooks(connection: sa.Connection, models: Models, steps: Steps) -> Webhooks:
    """Return how the webhook does."""
    c = models.table(models.WebhookEvent).c
    counted = sa.func.count()
    # Verdict by verdict the index is read in its order; grouping might read the table.
    verdicts = values_of(connection, c.verdict)
    found = in_all(connection, steps, c.received_at, [counted], c.verdict, verdicts)
    last = sa.select(sa.func.max(c.received_at)).where(c.verdict == Verdict.HANDLED)
    failed = sa.select(counted).where(c.verdict == Verdict.FAILED)
    return Webhooks(
        {verdict: number for verdict, (number,) in found.items() if number},
        connection.scalar(last),
        connection.execute(failed).scalar_one(),
    )


def waiting(connection: sa.Connection, models: Models) -> Waiting:
    """Return how much waits for an operator."""
    count = count_waiting(models, connection)
    return Waiting(count["purchase"], count["event"], count["orphan"])


def undelivered(connection: sa.Connection, models: Models) -> Undelivered:
    """Return the grants that nobody has taken yet."""
    grants, purchases = models.table(models.Grant), models.table(models.Purchase)
    c, p = grants.c, purchases.c
    query = (
        sa.select(
            sa.func.count(),
            sa.cast(sa.func.coalesce(sa.func.sum(c.credits), 0), sa.BigInteger),
            sa.func.min(c.created_at),
        )
        .join_from(grants, purchases, p.id == c.purchase_id)
        .where(c.delivered_at.is_(None), ~dismissed(p, Decision.DISMISSED))
    )
    return Undelivered(*connection.execute(query).one())
