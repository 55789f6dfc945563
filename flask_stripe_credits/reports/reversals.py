"""Money that went back: read from the refunds and disputes of our purchases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..models import Models
from ..statements import dispute_is_live, refund_is_live
from .period import Steps


@dataclass(frozen=True, slots=True)
class Reversed:
    """Refunds, or disputes, of one currency that were first heard of on one day.

    :ivar day: midnight, UTC; None for all of the time before the period.
    :ivar number: how many took money back and haven't returned it.
    :ivar amount: their money in minor units.
    :ivar without_effect: how many more failed, were canceled, were won or moved no money yet.
    """

    day: dt.datetime | None
    currency: str
    number: int
    amount: int
    without_effect: int


def refunds(
    connection: sa.Connection, models: Models, steps: Steps, package_code: str | None
) -> list[Reversed]:
    """Return the refunds of our purchases that were first heard of before the end of the steps."""
    table = models.table(models.Refund)
    return _reversed(
        connection, models, table, refund_is_live(table.c.live_rank), steps, package_code
    )


def disputes(
    connection: sa.Connection, models: Models, steps: Steps, package_code: str | None
) -> list[Reversed]:
    """Return the disputes of our purchases that were first heard of before the end of the steps."""
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
    c = table.c
    day = sa.case((c.created_at >= steps.since, _day(c.created_at, connection.dialect.name)))
    amount = sa.func.coalesce(sa.func.sum(c.amount).filter(live), 0)
    query = (
        sa.select(
            day,
            c.currency,
            sa.func.count().filter(live),
            sa.cast(amount, sa.BigInteger),
            sa.func.count().filter(~live),
        )
        .where(c.created_at < steps.until)
        .group_by(day, c.currency)
    )
    return [
        Reversed(_midnight(day), currency, number, amount, without)
        for which in _ours(models, table, package_code)
        for day, currency, number, amount, without in connection.execute(query.where(*which))
    ]


def _ours(
    models: Models, table: sa.Table, package_code: str | None
) -> Iterator[tuple[sa.ColumnElement[bool], ...]]:
    """Yield the conditions that find those of our purchases: those that say so, then the others.

    The account's other payments have refunds, too. And some were heard of before it was known
    whose they are, so these few are looked up, one by one: a join might read all purchases.
    """
    c, p = table.c, models.table(models.Purchase).c
    unknown = c.package_code.is_(None)
    of_payment = (
        sa.select(p.package_code)
        .where(p.stripe_payment_intent_id == c.stripe_payment_intent_id)
        .scalar_subquery()
    )
    if package_code is None:
        yield (~unknown,)
        yield unknown, of_payment.is_not(None)
    else:
        yield (c.package_code == package_code,)
        yield unknown, of_payment == package_code


def _day(moment: sa.ColumnElement[dt.datetime], dialect: str) -> sa.ColumnElement[Any]:
    return sa.func.date(moment if dialect == "sqlite" else sa.func.timezone("UTC", moment))


def _midnight(day: object) -> dt.datetime | None:
    return None if day is None else dt.datetime.fromisoformat(str(day)).replace(tzinfo=dt.UTC)
