"""Money that went back: read from the refunds and disputes of our purchases."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..models import Models
from ..statements import dispute_is_live, refund_is_live
from .period import Steps


@dataclass(frozen=True, slots=True)
class Reversed:
    """Refunds, or disputes, of one currency that were first heard of on one day.

    :ivar day: midnight, UTC.
    :ivar number: how many took money back and haven't returned it.
    :ivar amount: their money in minor units.
    :ivar without_effect: how many more failed, were canceled, were won or moved no money yet.
    """

    day: dt.datetime
    currency: str
    number: int
    amount: int
    without_effect: int


def refunds(
    connection: sa.Connection, models: Models, steps: Steps, package_code: str | None
) -> list[Reversed]:
    """Return the refunds of our purchases that were first heard of within the steps, by day."""
    table = models.table(models.Refund)
    return _reversed(
        connection, models, table, refund_is_live(table.c.live_rank), steps, package_code
    )


def disputes(
    connection: sa.Connection, models: Models, steps: Steps, package_code: str | None
) -> list[Reversed]:
    """Return the disputes of our purchases that were first heard of within the steps, by day."""
    table = models.table(models.Dispute)
    return _reversed(
        connection, models, table, dispute_is_live(table.c.live_rank), steps, package_code
    )


def _reversed(
    connection: sa.Connection,
    models: Models,
    table: sa.Table,
    live: sa.ColumnElement[bool],
    steps: Steps,
    package_code: str | None,
) -> list[Reversed]:
    c, p = table.c, models.table(models.Purchase).c
    day = _day(c.created_at, connection.dialect.name)
    amount = sa.func.coalesce(sa.func.sum(c.amount).filter(live), 0)
    query = (
        sa.select(
            day,
            c.currency,
            sa.func.count().filter(live),
            sa.cast(amount, sa.BigInteger),
            sa.func.count().filter(~live),
        )
        # The account's other payments have refunds, too.
        .join(p.id.table, p.stripe_payment_intent_id == c.stripe_payment_intent_id)
        .where(c.created_at >= steps.since, c.created_at < steps.until)
        .group_by(day, c.currency)
    )
    if package_code is not None:
        query = query.where(p.package_code == package_code)
    return [
        Reversed(_midnight(str(day)), currency, number, amount, without)
        for day, currency, number, amount, without in connection.execute(query)
    ]


def _day(moment: sa.ColumnElement[dt.datetime], dialect: str) -> sa.ColumnElement[Any]:
    return sa.func.date(moment if dialect == "sqlite" else sa.func.timezone("UTC", moment))


def _midnight(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
