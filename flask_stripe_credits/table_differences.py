"""Compare our tables in a database with the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext


def table_differences(
    connection: sa.Connection, tables: Sequence[sa.Table], schema: str | None
) -> list[str]:
    """Return a line for every difference; other tables aren't looked at.

    :param schema: where the tables are, whatever the models say.
    """
    if schema == connection.dialect.default_schema_name:
        schema = None
    metadata = sa.MetaData()
    for table in tables:
        # Leaving a schema is more than the type hints know of.
        table.to_metadata(
            metadata,
            schema=cast(Any, schema),
            referred_schema_fn=lambda *_: cast(Any, schema or sa.BLANK_SCHEMA),
        )
    names = {table.name for table in tables}
    by_name = _indexes_known_by_name(connection, metadata)

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name == schema
        if kind == "table":
            return name in names
        return kind != "index" or name not in by_name

    context = MigrationContext.configure(
        connection,
        opts={
            "target_metadata": metadata,
            "include_schemas": schema is not None,
            "include_name": include_name,
            "compare_type": True,
            "compare_server_default": True,
        },
    )
    found = [
        _describe(difference)
        for entry in compare_metadata(context, metadata)
        for difference in (entry if isinstance(entry, list) else [entry])
    ]
    # Constraints of a table that isn't there can't be looked up.
    return found or [
        *_missing_indexes(connection, by_name),
        *_check_differences(connection, metadata.sorted_tables),
    ]


def _indexes_known_by_name(connection: sa.Connection, metadata: sa.MetaData) -> dict[str, sa.Table]:
    """Take out of ``metadata`` the indexes that Alembic can't compare, and return their names.

    SQLite tells of no expression in an index, not even that a column is descending.
    """
    if connection.dialect.name != "sqlite":
        return {}
    taken = {}
    for table in metadata.tables.values():
        for index in list(table.indexes):
            if any(not isinstance(part, sa.Column) for part in index.expressions):
                table.indexes.discard(index)
                taken[str(index.name)] = table
    return taken


def _missing_indexes(connection: sa.Connection, expected: Mapping[str, sa.Table]) -> Iterator[str]:
    inspector = sa.inspect(connection)
    for name, table in expected.items():
        found = inspector.get_indexes(table.name, schema=table.schema)
        if name not in {index["name"] for index in found}:
            yield f"index {name} of {table.name} is missing"


def _describe(difference: Sequence[Any]) -> str:
    verb, _, kind = difference[0].partition("_")
    kind = kind.replace("_", " ")
    if verb == "modify":
        return f"{difference[2]}.{difference[3]} has another {kind}"
    item = difference[-1]
    if kind == "column":
        name = f"{difference[2]}.{item.name}"
    elif isinstance(item, sa.Table):
        name = item.name
    else:
        name = f"{item.name} of {item.table.name}"
    return f"{kind} {name} " + ("is missing" if verb == "add" else "isn't in the models")


def _check_differences(connection: sa.Connection, tables: Iterable[sa.Table]) -> Iterator[str]:
    """Alembic doesn't compare CHECK constraints by itself."""
    inspector = sa.inspect(connection)
    for table in tables:
        expected = {
            str(constraint.name)
            for constraint in table.constraints
            if isinstance(constraint, sa.CheckConstraint)
        }
        found = {
            str(check["name"])
            for check in inspector.get_check_constraints(table.name, schema=table.schema)
        }
        for name in sorted(expected - found):
            yield f"check constraint {name} of {table.name} is missing"
        for name in sorted(found - expected):
            yield f"check constraint {name} of {table.name} isn't in the models"
