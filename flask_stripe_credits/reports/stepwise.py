"""Add up what lies in each step of a period, in one pass through an index.

Grouping by a computed day would make SQLite sort every row, and PostgreSQL hash it. Asking an
index for each step's stretch reads the same entries in their order, once.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from .period import Steps


def in_steps(
    connection: sa.Connection,
    steps: Steps,
    moment: sa.ColumnElement[dt.datetime],
    aggregates: Sequence[sa.ColumnElement[int]],
    *conditions: sa.ColumnElement[bool],
) -> list[tuple[int, ...]]:
    """Return the aggregates of each step's rows, as whole numbers, nothing as zero.

    :param moment: the column that says which step a row is in; an index should have it after
        the columns that ``conditions`` fix, and every other column used.
    """
    number, since, until = _table_of(steps, connection.dialect.name)
    packed: sa.ColumnElement[str] = sa.literal("")
    for aggregate in aggregates:
        # One text, since a subquery in a list of columns has one value; and PostgreSQL's
        # sum(bigint) is a Decimal.
        whole = sa.cast(sa.func.coalesce(aggregate, 0), sa.BigInteger)
        packed = packed.concat(sa.cast(whole, sa.String)).concat(sa.literal(" "))
    within = sa.select(packed).where(moment >= since, moment < until, *conditions)
    query = sa.select(number, within.correlate(number.table).scalar_subquery()).order_by(number)
    return [tuple(map(int, text.split())) for _, text in connection.execute(query)]


def _table_of(steps: Steps, dialect: str) -> tuple[Any, Any, Any]:
    """The steps as a table: number, since and until."""
    begins, ends = steps.edges[:-1], steps.edges[1:]
    if dialect == "sqlite":
        stored = [
            [_as_stored(since), _as_stored(until)]
            for since, until in zip(begins, ends, strict=True)
        ]
        each = sa.func.json_each(json.dumps(stored)).table_valued("key", "value", name="steps")
        since, until = (sa.func.json_extract(each.c.value, f"$[{place}]") for place in (0, 1))
        return each.c.key, since, until
    times = postgresql.ARRAY(sa.DateTime(timezone=True))
    arrays = [sa.cast(list(edges), times) for edges in (begins, ends)]
    rows = sa.func.unnest(*arrays).table_valued(
        sa.column("since", sa.DateTime(timezone=True)),
        sa.column("until", sa.DateTime(timezone=True)),
        with_ordinality="number",
        name="steps",
    )
    rows = rows.render_derived()
    return rows.c.number, rows.c.since, rows.c.until


def _as_stored(moment: dt.datetime) -> str:
    """As SQLAlchemy writes a time into SQLite's text."""
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")
