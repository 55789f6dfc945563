"""Require the sales channel.

The second half, a release later: nobody leaves the column empty any more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE, COLUMN = "credit_purchases", "sales_channel"
TYPE = sa.String(20)
PROOF = "ck_credit_purchases_sales_channel_is_there"
PATIENCE = "2s"


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    purchases = sa.table(TABLE, sa.column(COLUMN, sa.String()), schema=schema)
    late = purchases.c[COLUMN].is_(None)
    fill = sa.update(purchases).values({COLUMN: "web"}).where(late)
    if on_postgresql():
        require_on_postgresql(schema, fill)
    else:
        op.execute(fill)
        with remade(TABLE) as batch:
            batch.alter_column(COLUMN, existing_type=TYPE, nullable=False)


def require_on_postgresql(schema: str | None, fill: sa.Update) -> None:
    """SET NOT NULL alone would read the whole table while everybody waits for it."""
    table = op.get_bind().dialect.identifier_preparer.format_table(sa.table(TABLE, schema=schema))
    op.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {PROOF}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {PROOF} CHECK ({COLUMN} IS NOT NULL) NOT VALID")
    op.execute("SET LOCAL lock_timeout = DEFAULT")
    with op.get_context().autocommit_block():
        op.execute(fill)
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {PROOF}")
    op.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    op.alter_column(TABLE, COLUMN, existing_type=TYPE, nullable=False, schema=schema)
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {PROOF}")


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    if on_postgresql():
        op.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        op.alter_column(TABLE, COLUMN, existing_type=TYPE, nullable=True, schema=schema)
    else:
        with remade(TABLE) as batch:
            batch.alter_column(COLUMN, existing_type=TYPE, nullable=True)


@contextlib.contextmanager
def remade(table: str) -> Iterator[op.BatchOperations]:
    """SQLite changes no column: make the table anew, with the indexes that it had.

    SQLite tells of no descending column and no expression, so Alembic can't copy an index.
    """
    connection = op.get_bind()
    kept = connection.execute(
        sa.text(
            "SELECT name, sql FROM sqlite_master "
            "WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL"
        ),
        {"table": table},
    ).all()
    for name, _ in kept:
        op.drop_index(op.f(name), table)
    with op.batch_alter_table(table, recreate="always") as batch:
        yield batch
    for _, sql in kept:
        op.execute(sql)


def on_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"
