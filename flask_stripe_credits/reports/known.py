"""Every value that a column has, where there are few."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def values_of(connection: sa.Connection, column: sa.ColumnElement[Any]) -> list[str]:
    """Return every value of the column, in order, also one that another release wrote.

    An index that begins with the column is asked once for each: ``DISTINCT`` would read all of
    it.
    """
    first = sa.select(sa.func.min(column).label("value")).cte("known", recursive=True)
    later = sa.select(sa.func.min(column)).where(column > first.c.value).scalar_subquery()
    known = first.union_all(sa.select(later).where(first.c.value.is_not(None)))
    query = sa.select(known.c.value).where(known.c.value.is_not(None))
    return list(connection.scalars(query))
