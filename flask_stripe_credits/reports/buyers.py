"""What buyers are worth: read from everything that each of them ever paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ..models import Models


@dataclass(frozen=True, slots=True)
class Buyers:
    """Everybody who ever paid in one currency.

    :ivar gross: what they paid, in minor units.
    """

    users: int
    purchases: int
    gross: int


def buyers_until(
    connection: sa.Connection,
    models: Models,
    until: dt.datetime,
    package_code: str | None,
    currencies: Sequence[str],
) -> dict[str, Buyers]:
    """Return who had paid before ``until`` in each currency.

    One pass through the index of users, in its order: counting distinct users in any other way
    sorts all of them.

    :param currencies: those to look for. Somebody who paid in two is a buyer in both.
    """
    if not currencies:
        return {}
    c = models.table(models.Purchase).c
    # Not in WHERE: it would lead to the index of sales, which isn't in the order of users.
    of_package = () if package_code is None else (c.package_code == package_code,)
    paid = sa.select(
        *(
            aggregate.filter(c.currency == currency, *of_package).label(f"{name}_{currency}")
            for currency in currencies
            for name, aggregate in (
                ("purchases", sa.func.count()),
                ("gross", sa.func.sum(c.amount_paid)),
            )
        )
    ).where(c.paid_at < until)
    user = paid.group_by(c.user_id).subquery().c
    query = sa.select(
        *(
            sa.cast(sa.func.coalesce(total, 0), sa.BigInteger)
            for currency in currencies
            for total in (
                sa.func.count().filter(user[f"purchases_{currency}"] > 0),
                sa.func.sum(user[f"purchases_{currency}"]),
                sa.func.sum(user[f"gross_{currency}"]),
            )
        )
    )
    found = tuple(connection.execute(query).one())
    return {
        currency: Buyers(*found[3 * place : 3 * place + 3])
        for place, currency in enumerate(currencies)
    }
