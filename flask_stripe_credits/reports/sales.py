"""What was paid for, package by package: read from the purchases that are paid."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from ..models import Models
from .period import Steps
from .stepwise import Sums, in_steps

_BEGINNING = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Sales:
    """The paid purchases of one package in one currency.

    :ivar before: how many were paid before the period, their minor units and their credits.
    :ivar steps: the same of each step of the period.
    """

    package_code: str
    currency: str
    before: Sums
    steps: tuple[Sums, ...]


def sales(
    connection: sa.Connection, models: Models, steps: Steps, package_code: str | None
) -> list[Sales]:
    """Return what was paid for before the steps and in each, by package and currency."""
    c = models.table(models.Purchase).c
    aggregates = sa.func.count(), sa.func.sum(c.amount_paid), sa.func.sum(c.amount_credits)
    edges = (_BEGINNING, *steps.edges)
    found = in_steps(
        connection,
        edges,
        c.paid_at,
        aggregates,
        columns=[c.package_code, c.currency],
        kinds=list(_kinds(connection, models, package_code)),
    )
    return [
        Sales(code, currency, before, tuple(series))
        for (code, currency), (before, *series) in found.items()
    ]


def _kinds(
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
