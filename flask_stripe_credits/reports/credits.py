"""Credits handed over and taken back: read from the grants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from ..models import Models
from .period import Steps
from .stepwise import in_steps


@dataclass(frozen=True, slots=True)
class Credits:
    """Whole credits that were granted, and that were taken back: both are positive."""

    granted: int = 0
    taken_back: int = 0

    def __add__(self, other: Credits) -> Credits:
        return Credits(self.granted + other.granted, self.taken_back + other.taken_back)


def credits_in_steps(
    connection: sa.Connection, models: Models, steps: Steps, package_code: str | None
) -> list[Credits]:
    """Return the credits of the grants that were written in each step."""
    c = models.table(models.Grant).c
    granted = sa.func.sum(c.credits).filter(c.credits > 0)
    taken_back = sa.func.sum(-c.credits).filter(c.credits < 0)
    total = [Credits()] * (len(steps.edges) - 1)
    for which in _by_package(connection, models, package_code):
        found = in_steps(connection, steps, c.created_at, (granted, taken_back), *which)
        total = [before + Credits(*more) for before, more in zip(total, found, strict=True)]
    return total


def _by_package(
    connection: sa.Connection, models: Models, package_code: str | None
) -> Iterator[tuple[sa.ColumnElement[bool], ...]]:
    """Yield conditions that fix the package, for each that there is or only for the one."""
    c, p = models.table(models.Grant).c, models.table(models.Purchase).c
    if package_code is None:
        for code in _packages(connection, c.package_code):
            yield (c.package_code == code,)
        yield (c.package_code.is_(None),)
        return
    yield (c.package_code == package_code,)
    # A worker that was still of the release before the column wrote it without.
    of_package = sa.exists().where(p.id == c.purchase_id, p.package_code == package_code)
    yield c.package_code.is_(None), of_package.correlate(c.id.table)


def _packages(connection: sa.Connection, column: sa.ColumnElement[str | None]) -> Iterator[str]:
    """Yield every package that a grant names; asks the index once for each."""
    query = sa.select(sa.func.min(column))
    code = connection.scalar(query)
    while code is not None:
        yield code
        code = connection.scalar(query.where(column > code))
