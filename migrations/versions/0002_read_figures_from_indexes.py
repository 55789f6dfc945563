"""Let the figures of a million purchases be read from indexes.

On PostgreSQL nothing that the shop does waits for this: indexes are built concurrently, and the
new columns are filled a few thousand rows at a time. What a killed run left behind is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROWS_AT_A_TIME = 5_000
PATIENCE = "2s"
PAYMENT = "stripe_payment_intent_id"

# The key of each table, and which of its columns is which one of the purchase's.
LABELLED: dict[str, tuple[sa.ColumnClause[Any], str, str]] = {
    "credit_grants": (sa.column("id", sa.Uuid()), "purchase_id", "id"),
    "credit_refunds": (sa.column("stripe_refund_id", sa.String()), PAYMENT, PAYMENT),
    "credit_disputes": (sa.column("stripe_dispute_id", sa.String()), PAYMENT, PAYMENT),
}
NEWEST_FIRST = sa.text("created_at DESC")
PAID = sa.text("paid_at IS NOT NULL")
# What a figure needs comes after what it is looked up by, so that no row has to be read.
NEWEST = ("created_at", [NEWEST_FIRST, "id", "package_code"])
STATUS = ("status", ["status", "created_at", "package_code", "paid_at", "completed_at"])
STATUS_BEFORE = ("status_created_at", ["status", "created_at"])
SALES = ("sales", ["package_code", "currency", "paid_at", "amount_paid", "amount_credits"])
BUYERS = ("buyers", ["currency", "user_id", "package_code", "paid_at"])
PACKAGE_BEFORE = ("package_id", ["package_id"])
CREDITS = ("package_code_created_at", ["package_code", "created_at", "credits"])


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    if on_postgresql():
        with op.get_context().autocommit_block():
            impatiently(lambda table: add_column(table, schema, if_not_exists=True))
            for table in LABELLED:
                copy_package_codes_in_parts(table, schema)
            make_indexes(schema)
    else:
        for table in LABELLED:
            add_column(table, schema)
            op.execute(copy_package_codes(table, schema))
        make_indexes(schema)


def impatiently(change: Callable[[str], None]) -> None:
    """Change each table. It takes no time, but waits for whoever uses it, and all others behind."""
    op.execute(f"SET lock_timeout = '{PATIENCE}'")
    try:
        for table in LABELLED:
            change(table)
    finally:
        op.execute("RESET lock_timeout")


def add_column(table: str, schema: str | None, **options: Any) -> None:
    column = sa.Column("package_code", sa.String(50), nullable=True)
    op.add_column(table, column, schema=schema, **options)


def drop_column(table: str, schema: str | None, **options: Any) -> None:
    op.drop_column(table, "package_code", schema=schema, **options)


def make_indexes(schema: str | None) -> None:
    for index in (NEWEST, STATUS):
        create_index("credit_purchases", *index, schema)
    for index in (SALES, BUYERS):
        create_index("credit_purchases", *index, schema, postgresql_where=PAID, sqlite_where=PAID)
    for name, _ in (STATUS_BEFORE, PACKAGE_BEFORE):
        drop_index("credit_purchases", name, schema)
    create_index("credit_grants", *CREDITS, schema)


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    if on_postgresql():
        with op.get_context().autocommit_block():
            drop_indexes(schema)
            impatiently(lambda table: drop_column(table, schema, if_exists=True))
    else:
        drop_indexes(schema)
        for table in LABELLED:
            drop_column(table, schema)


def drop_indexes(schema: str | None) -> None:
    for index in (STATUS_BEFORE, PACKAGE_BEFORE):
        create_index("credit_purchases", *index, schema)
    for name, _ in (NEWEST, STATUS, SALES, BUYERS):
        drop_index("credit_purchases", name, schema)
    drop_index("credit_grants", CREDITS[0], schema)


def copy_package_codes(
    table: str, schema: str | None, *conditions: sa.ColumnElement[bool]
) -> sa.Update:
    _, of_purchase, its = LABELLED[table]
    rows = sa.table(
        table, sa.column(of_purchase), sa.column("package_code", sa.String()), schema=schema
    )
    purchases = sa.table(
        "credit_purchases", sa.column(its), sa.column("package_code", sa.String()), schema=schema
    )
    code = sa.select(purchases.c.package_code).where(purchases.c[its] == rows.c[of_purchase])
    return (
        sa.update(rows)
        .values(package_code=code.scalar_subquery())
        .where(rows.c.package_code.is_(None), *conditions)
    )


def copy_package_codes_in_parts(table: str, schema: str | None) -> None:
    """Each part is a transaction of its own, which nobody waits for."""
    connection = op.get_bind()
    key = LABELLED[table][0]
    keys = sa.select(key).select_from(sa.table(table, schema=schema)).order_by(key)
    part: Sequence[Any] = connection.scalars(keys.limit(ROWS_AT_A_TIME)).all()
    while part:
        within = key.between(part[0], part[-1])
        connection.execute(copy_package_codes(table, schema, within))
        part = connection.scalars(keys.where(key > part[-1]).limit(ROWS_AT_A_TIME)).all()


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
