"""Credits handed over and taken back: read from the grants."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from ..models import Models
from .known import values_of
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
    c, p = models.table(models.Grant).c, models.table(models.Purchase).c
    changes = sa.func.sum(c.credits)
    taken_back = sa.func.sum(-c.credits).filter(c.credits < 0)
    asked = connection, steps.edges, c.created_at, (changes, taken_back)
    codes = values_of(connection, c.package_code) if package_code is None else [package_code]
    of_kinds = in_steps(*asked, columns=[c.package_code], kinds=[(code,) for code in codes])
    unknown: sa.ColumnElement[bool] = c.package_code.is_(None)
    # A worker that was still of the release before the column wrote it without.
    if package_code is not None:
        of_purchase = sa.exists().where(p.id == c.purchase_id, p.package_code == package_code)
        unknown &= of_purchase.correlate(c.id.table)
    of_unknown = in_steps(*asked, unknown)
    total = [Credits()] * (len(steps.edges) - 1)
    for found in (*of_kinds.values(), *of_unknown.values()):
        more = [Credits(change + taken, taken) for change, taken in found]
        total = [one + another for one, another in zip(total, more, strict=True)]
    return total
