"""Add up what lies in each step of a period, in one pass through an index.

Grouping by a computed day would make SQLite sort every row, and PostgreSQL hash it. Asking an
index for each step's stretch reads the same entries in their order, once. And PostgreSQL, which
can't know how long a step is when it plans, never takes to reading the table instead.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from .given import given_texts, given_times
from .period import Steps

Kind = tuple[str, ...]
Sums = tuple[int, ...]


def in_steps(
    connection: sa.Connection,
    edges: Sequence[dt.datetime],
    moment: sa.ColumnElement[dt.datetime],
    aggregates: Sequence[sa.ColumnElement[int]],
    *conditions: sa.ColumnElement[bool],
    columns: Sequence[sa.ColumnElement[Any]] = (),
    kinds: Sequence[Kind] = ((),),
) -> Mapping[Kind, list[Sums]]:
    """Return the aggregates of each step's rows of each kind, as whole numbers, nothing as zero.

    :param edges: where each step begins, and at the end where the last one ends.
    :param moment: the column that says which step a row is in; an index should have it after
        ``columns`` and what ``conditions`` fix, and every other column used.
    :param kinds: the values of ``columns`` that make each kind.
    """
    steps = list(pairwise(edges))
    if not kinds or not steps:
        return {kind: [] for kind in kinds}
    dialect = connection.dialect.name
    of_kind, step = given_texts(dialect, "kinds", kinds), given_times(dialect, "steps", steps)
    since, until = step.columns
    within = sa.select(_as_one_text(aggregates)).where(
        *(column == value for column, value in zip(columns, of_kind.columns, strict=True)),
        *conditions,
        moment >= since,
        moment < until,
    )
    query = (
        sa.select(within.correlate(of_kind.table, step.table).scalar_subquery())
        .select_from(of_kind.table.join(step.table, sa.true()))
        .order_by(of_kind.number, step.number)
    )
    sums = [tuple(map(int, text.split())) for text in connection.scalars(query).all()]
    return {
        kind: sums[place * len(steps) : (place + 1) * len(steps)]
        for place, kind in enumerate(kinds)
    }


def _as_one_text(aggregates: Sequence[sa.ColumnElement[int]]) -> sa.ColumnElement[str]:
    """A subquery in a list of columns has one value; and PostgreSQL's sum(bigint) is a Decimal."""
    packed: sa.ColumnElement[str] = sa.literal("")
    for aggregate in aggregates:
        whole = sa.cast(sa.func.coalesce(aggregate, 0), sa.BigInteger)
        packed = packed.concat(sa.cast(whole, sa.String)).concat(sa.literal(" "))
    return packed


def in_all(
    connection: sa.Connection,
    steps: Steps,
    moment: sa.ColumnElement[dt.datetime],
    aggregates: Sequence[sa.ColumnElement[int]],
    column: sa.ColumnElement[str],
    values: Sequence[str],
) -> Mapping[str, Sums]:
    """Return the aggregates of all steps together where the column has each of the values.

    As :func:`in_steps`, of which this is the case of one step.
    """
    edges, kinds = (steps.since, steps.until), [(value,) for value in values]
    found = in_steps(connection, edges, moment, aggregates, columns=[column], kinds=kinds)
    return {value: sums for (value,), (sums,) in found.items()}
