"""Rows that we give to the database as a table, to ask about all of them in one statement."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB


@dataclass(frozen=True, slots=True)
class Given:
    """A table in a statement.

    :ivar number: ascends in the order of the rows.
    """

    table: sa.FromClause
    number: sa.ColumnElement[int]
    columns: Sequence[sa.ColumnElement[Any]]


def given_texts(dialect: str, name: str, rows: Sequence[Sequence[str]]) -> Given:
    """Return a table with these rows, all of which are as long."""
    text = sa.literal(json.dumps(rows), sa.Text())
    places = range(len(rows[0]) if rows else 0)
    if dialect == "sqlite":
        each = sa.func.json_each(text).table_valued("key", "value", name=name)
        extracted = [sa.func.json_extract(each.c.value, f"$[{place}]") for place in places]
        return Given(each, each.c.key, extracted)
    value = sa.column("value", JSONB())
    elements = sa.func.jsonb_array_elements(sa.cast(text, JSONB()))
    each = elements.table_valued(value, with_ordinality="number", name=name).render_derived()
    return Given(each, each.c.number, [each.c.value[place].astext for place in places])


def given_times(dialect: str, name: str, rows: Sequence[Sequence[dt.datetime]]) -> Given:
    """Return a table with these rows of aware times, all of which are as long."""
    if dialect == "sqlite":
        return given_texts(dialect, name, [list(map(_as_stored, row)) for row in rows])
    texts = given_texts(dialect, name, [[moment.isoformat() for moment in row] for row in rows])
    times = [sa.cast(column, sa.DateTime(timezone=True)) for column in texts.columns]
    return Given(texts.table, texts.number, times)


def _as_stored(moment: dt.datetime) -> str:
    """As SQLAlchemy writes a time into SQLite's text."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
