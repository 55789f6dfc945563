"""Compare our tables in a database with the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
        # None moves a table out of its schema, which the type hints don't know.
        table.to_metadata(metadata, schema=cast(Any, schema))
    names = {table.name for table in tables}

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name == schema
        return kind != "table" or name in names

    def include_object(
        item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any
    ) -> bool:
        # SQLite doesn't tell that a column of an index is descending.
        return not (
            connection.dialect.name == "sqlite"
            and kind == "index"
            and compare_to is not None
            and any(not isinstance(part, sa.Column) for part in item.expressions)
        )

    context = MigrationContext.configure(
        connection,
        opts={
            "target_metadata": metadata,
            "include_schemas": schema is not None,
            "include_name": include_name,
            "include_object": include_object,
            "compare_type": True,
            "compare_server_default": True,
        },
    )
    found = [
        _describe(difference)
        for entry in compare_metadata(context, metadata)
        for difference in (entry if isinstance(entry, list) else [entry])
    ]
    return found or list(_check_differences(connection, metadata.sorted_tables))


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
