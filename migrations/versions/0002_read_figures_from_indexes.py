"""Let the figures of a million purchases be read from indexes.

On PostgreSQL nothing that the shop does waits for this: indexes are built concurrently, and the
new column is filled a few thousand rows at a time. What a killed run left behind is made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROWS_AT_A_TIME = 5_000
PATIENCE = "2s"

NEWEST_FIRST = sa.text("created_at DESC")
PAID = sa.text("paid_at IS NOT NULL")
# What a figure needs comes after what it is looked up by, so that no row has to be read.
OPENED = ("created_at", [NEWEST_FIRST, "id", "status", "package_code", "paid_at", "completed_at"])
SALES = ("sales", ["package_code", "currency", "paid_at", "amount_paid", "amount_credits"])
OF_USER = (
    "of_user",
    ["user_id", NEWEST_FIRST, "id", "paid_at", "currency", "package_code", "amount_paid"],
)
OF_USER_BEFORE = ("user_id_created_at", ["user_id", NEWEST_FIRST, "id"])
CREDITS = ("package_code_created_at", ["package_code", "created_at", "credits"])


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    column = sa.Column("package_code", sa.String(50), nullable=True)
    if on_postgresql():
        # It takes no time, but waits for whoever uses the table, and all others wait behind it.
        op.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        op.add_column("credit_grants", column, schema=schema, if_not_exists=True)
        op.execute("SET LOCAL lock_timeout = DEFAULT")
        with op.get_context().autocommit_block():
            copy_package_codes_in_parts(schema)
            make_indexes(schema)
    else:
        op.add_column("credit_grants", column, schema=schema)
        op.execute(copy_package_codes(schema))
        make_indexes(schema)


def make_indexes(schema: str | None) -> None:
    create_index("credit_purchases", *OPENED, schema)
    create_index("credit_purchases", *SALES, schema, postgresql_where=PAID, sqlite_where=PAID)
    create_index("credit_purchases", *OF_USER, schema)
    drop_index("credit_purchases", OF_USER_BEFORE[0], schema)
    create_index("credit_grants", *CREDITS, schema)


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    if on_postgresql():
        with op.get_context().autocommit_block():
            drop_indexes(schema)
        op.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    else:
        drop_indexes(schema)
    op.drop_column("credit_grants", "package_code", schema=schema)


def drop_indexes(schema: str | None) -> None:
    create_index("credit_purchases", *OF_USER_BEFORE, schema)
    for name in (OPENED[0], SALES[0], OF_USER[0]):
        drop_index("credit_purchases", name, schema)
    drop_index("credit_grants", CREDITS[0], schema)


def copy_package_codes(schema: str | None, *conditions: sa.ColumnElement[bool]) -> sa.Update:
    grants = sa.table(
        "credit_grants",
        sa.column("id", sa.Uuid()),
        sa.column("purchase_id", sa.Uuid()),
        sa.column("package_code", sa.String()),
        schema=schema,
    )
    purchases = sa.table(
        "credit_purchases",
        sa.column("id", sa.Uuid()),
        sa.column("package_code", sa.String()),
        schema=schema,
    )
    code = sa.select(purchases.c.package_code).where(purchases.c.id == grants.c.purchase_id)
    return (
        sa.update(grants)
        .values(package_code=code.scalar_subquery())
        .where(grants.c.package_code.is_(None), *conditions)
    )


def copy_package_codes_in_parts(schema: str | None) -> None:
    """Each part is a transaction of its own, which nobody waits for."""
    connection = op.get_bind()
    id = sa.column("id", sa.Uuid())
    ids = sa.select(id).select_from(sa.table("credit_grants", schema=schema)).order_by(id)
    part: Sequence[Any] = connection.scalars(ids.limit(ROWS_AT_A_TIME)).all()
    while part:
        within = id.between(part[0], part[-1])
        connection.execute(copy_package_codes(schema, within))
        part = connection.scalars(ids.where(id > part[-1]).limit(ROWS_AT_A_TIME)).all()


def create_index(
    table: str, name: str, columns: list[Any], schema: str | None, **options: Any
) -> None:
    if on_postgresql():
        # A build that was cut off leaves an index that is never used, and in the way.
        drop_index(table, name, schema)
        options["postgresql_concurrently"] = True
    op.create_index(op.f(f"ix_{table}_{name}"), table, columns, schema=schema, **options)


def drop_index(table: str, name: str, schema: str | None) -> None:
    options = {"if_exists": True, "postgresql_concurrently": True} if on_postgresql() else {}
    op.drop_index(op.f(f"ix_{table}_{name}"), table, schema=schema, **options)


def on_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"
