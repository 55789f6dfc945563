"""How many people ever paid: counted in an index that is in the order of users."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from ..models import Models


def buyers_until(
    connection: sa.Connection,
    models: Models,
    until: dt.datetime,
    package_code: str | None,
    currency: str,
) -> int:
    """Return how many users had paid in this currency before ``until``.

    Users next to each other are told apart in passing: ``count(DISTINCT …)`` would have SQLite
    remember all of them.
    """
    c = models.table(models.Purchase).c
    paid = sa.select(sa.literal(1)).where(c.currency == currency, c.paid_at < until)
    if package_code is not None:
        paid = paid.where(c.package_code == package_code)
    users = paid.group_by(c.user_id).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(users)).scalar_one()
