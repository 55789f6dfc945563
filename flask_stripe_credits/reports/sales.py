"""What was paid for, package by package: read from the purchases that are paid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from ..models import Models
from .period import Steps
from .stepwise import in_steps


@dataclass(frozen=True, slots=True)
class Sales:
    """The paid purchases of one package in one currency, in each step of a period.

    :ivar steps: for each step, how many were paid, their minor units and their credits.
    """

    package_code: str
    currency: str
    steps: tuple[tuple[int, int, int], ...]


def sales(
    connection: sa.Connection, models: Models, steps: Steps, package_code: str | None
) -> list[Sales]:
    """Return what was paid for in each step, by package and currency."""
    c = models.table(models.Purchase).c
    aggregates = sa.func.count(), sa.func.sum(c.amount_paid), sa.func.sum(c.amount_credits)
    return [
        Sales(
            code,
            currency,
            tuple(
                (number, amount, credits)
                for number, amount, credits in in_steps(
                    connection,
                    steps,
                    c.paid_at,
                    aggregates,
                    c.package_code == code,
                    c.currency == currency,
                )
            ),
        )
        for code, currency in sold(connection, models, package_code)
    ]


def sold(
    connection: sa.Connection, models: Models, package_code: str | None
) -> Iterator[tuple[str, str]]:
    """Yield every package and currency of a paid purchase; asks the index once for each."""
    c = models.table(models.Purchase).c
    kinds = (
        sa.select(c.package_code, c.currency)
        .where(c.paid_at.is_not(None))
        .order_by(c.package_code, c.currency)
        .limit(1)
    )
    if package_code is not None:
        kinds = kinds.where(c.package_code == package_code)
    found = connection.execute(kinds).first()
    while found is not None:
        code, currency = found
        yield code, currency
        later = sa.tuple_(c.package_code, c.currency) > sa.tuple_(
            sa.literal(code), sa.literal(currency)
        )
        found = connection.execute(kinds.where(later)).first()
