"""Read a user's purchases. Only reads, and only the user's own rows."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from .facts import Row
from .models import Models

COLUMNS = (
    "id",
    "package_name",
    "package_code",
    "amount_credits",
    "amount_paid",
    "amount_refunded",
    "currency",
    "credits_revoked",
    "status",
    "created_at",
    "completed_at",
    "stripe_payment_intent_id",
)


def purchases_of(
    session: Session,
    models: Models,
    user_id: str,
    *,
    limit: int,
    offset: int = 0,
    after: uuid.UUID | None = None,
) -> tuple[list[Row], bool]:
    """Return a page of the user's purchases, newest first, and whether there are more.

    :param after: the last purchase of the page before; unlike ``offset`` it neither repeats nor
        skips rows when purchases are added meanwhile, and costs the same on every page.
    """
    table = models.table(models.Purchase)
    c = table.c
    query = sa.select(*(c[name] for name in COLUMNS)).where(c.user_id == user_id)
    if after is not None:
        created_at = (
            sa.select(c.created_at).where(c.user_id == user_id, c.id == after).scalar_subquery()
        )
        # In this form, unlike one OR over both columns, the index finds the first row.
        query = query.where(
            c.created_at <= created_at, sa.or_(c.created_at < created_at, c.id > after)
        )
    query = query.order_by(c.created_at.desc(), c.id).limit(limit + 1).offset(offset)
    rows = session.execute(query).mappings().all()
    return cast(list[Row], rows[:limit]), len(rows) > limit


def purchase_of(
    connection: sa.Connection, models: Models, user_id: str, purchase_id: uuid.UUID
) -> Row | None:
    """Return one purchase of the user's, None when it doesn't exist or is somebody else's."""
    table = models.table(models.Purchase)
    query = sa.select(table).where(table.c.user_id == user_id, table.c.id == purchase_id)
    return cast(Row | None, connection.execute(query).mappings().first())


@dataclass(frozen=True, slots=True)
class Posted:
    """What a purchase's grants come to.

    :ivar credits: whole credits, the sum of them all.
    :ivar delivered: the credits of those that the credit manager has been handed, None while it
        has been handed none.
    :ivar is_delivered: there is one, and the credit manager has been handed every one.
    """

    credits: int
    delivered: int | None
    is_delivered: bool


def posted_of(connection: sa.Connection, models: Models, purchase_id: uuid.UUID) -> Posted:
    """Sum up the grants of a purchase."""
    c = models.table(models.Grant).c
    credits = sa.func.sum(c.credits)
    query = sa.select(
        sa.func.coalesce(credits, 0).label("credits"),
        credits.filter(c.delivered_at.is_not(None)).label("handed_over"),
        sa.func.count().label("written"),
        sa.func.count(c.delivered_at).label("delivered"),
    ).where(c.purchase_id == purchase_id)
    found = connection.execute(query).one()
    return Posted(
        credits=int(found.credits),
        delivered=None if found.handed_over is None else int(found.handed_over),
        is_delivered=bool(found.written == found.delivered > 0),
    )
