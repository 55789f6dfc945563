"""Note where a purchase was made.

The first half of a change that old code must survive: the column may be empty, since the release
before this one goes on writing rows while it is replaced. Revision 0004 is the second half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLE, COLUMN = "credit_purchases", "sales_channel"
INDEX, COLUMNS = "ix_credit_purchases_sales_channel", ["sales_channel", "created_at"]
ROWS_AT_A_TIME = 5_000
PATIENCE = "2s"


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    column = sa.Column(COLUMN, sa.String(20), nullable=True)
    if on_postgresql():
        # It takes no time, but waits for whoever uses the table, and all others wait behind it.
        op.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        op.add_column(TABLE, column, schema=schema, if_not_exists=True)
        op.execute("SET LOCAL lock_timeout = DEFAULT")
        with op.get_context().autocommit_block():
            fill_in_parts(schema)
            # A build that was cut off leaves an index that is never used, and in the way.
            drop_index(schema)
            create_index(schema, postgresql_concurrently=True)
    else:
        op.add_column(TABLE, column, schema=schema)
        op.execute(fill(schema))
        create_index(schema)


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    if on_postgresql():
        with op.get_context().autocommit_block():
            drop_index(schema)
        op.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    else:
        op.drop_index(op.f(INDEX), TABLE, schema=schema)
    op.drop_column(TABLE, COLUMN, schema=schema)


def create_index(schema: str | None, **options: Any) -> None:
    op.create_index(op.f(INDEX), TABLE, COLUMNS, schema=schema, **options)


def drop_index(schema: str | None) -> None:
    op.drop_index(op.f(INDEX), TABLE, schema=schema, if_exists=True, postgresql_concurrently=True)


def fill(schema: str | None, *conditions: sa.ColumnElement[bool]) -> sa.Update:
    purchases = sa.table(
        TABLE, sa.column("id", sa.Uuid()), sa.column(COLUMN, sa.String()), schema=schema
    )
    empty = purchases.c[COLUMN].is_(None)
    return sa.update(purchases).values({COLUMN: "web"}).where(empty, *conditions)


def fill_in_parts(schema: str | None) -> None:
    """Each part is a transaction of its own, which nobody waits for."""
    connection = op.get_bind()
    id = sa.column("id", sa.Uuid())
    ids = sa.select(id).select_from(sa.table(TABLE, schema=schema)).order_by(id)
    part: Sequence[Any] = connection.scalars(ids.limit(ROWS_AT_A_TIME)).all()
    while part:
        connection.execute(fill(schema, id.between(part[0], part[-1])))
        part = connection.scalars(ids.where(id > part[-1]).limit(ROWS_AT_A_TIME)).all()


def on_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"
