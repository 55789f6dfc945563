"""Create the credit tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LARGEST_INTEGER = 2**53

JSON_OBJECT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STRIPE_ID = sa.String(255)
TIME = sa.DateTime(timezone=True)


def required(name: str, type_: Any) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=False)


def optional(name: str, type_: Any) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=True)


def primary_key(table: str, column: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(column, name=op.f(f"pk_{table}"))


def unique(name: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{name}"))


def check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{name}"))


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    create_packages(schema)
    create_purchases(schema)
    create_buyers(schema)
    create_refund_requests(schema)
    create_facts_about_payments(schema)
    create_grants(schema)
    create_webhook_events(schema)
    create_audit_log(schema)


def create_packages(schema: str | None) -> None:
    op.create_table(
        "credit_packages",
        required("id", sa.Uuid()),
        required("package_code", sa.String(50)),
        required("package_name", sa.String(255)),
        optional("description", sa.Text()),
        required("credits", sa.BigInteger()),
        required("unit_amount", sa.BigInteger()),
        required("currency", sa.String(3)),
        required("discount_percentage", sa.Integer()),
        required("is_active", sa.Boolean()),
        required("display_order", sa.Integer()),
        optional("stripe_product_id", STRIPE_ID),
        optional("stripe_price_id", STRIPE_ID),
        required("created_at", TIME),
        required("updated_at", TIME),
        primary_key("credit_packages", "id"),
        unique("credit_packages_package_code", "package_code"),
        check("credit_packages_credits", f"credits > 0 AND credits <= {LARGEST_INTEGER}"),
        check(
            "credit_packages_unit_amount",
            f"unit_amount >= 0 AND unit_amount <= {LARGEST_INTEGER}",
        ),
        check(
            "credit_packages_discount_percentage",
            "discount_percentage >= 0 AND discount_percentage <= 100",
        ),
        schema=schema,
    )


def create_purchases(schema: str | None) -> None:
    op.create_table(
        "credit_purchases",
        required("id", sa.Uuid()),
        required("user_id", sa.String(255)),
        optional("package_id", sa.Uuid()),
        required("package_code", sa.String(50)),
        required("package_name", sa.String(255)),
        required("amount_credits", sa.BigInteger()),
        required("unit_amount", sa.BigInteger()),
        required("currency", sa.String(3)),
        optional("stripe_price_id", STRIPE_ID),
        optional("stripe_checkout_session_id", STRIPE_ID),
        optional("checkout_url", sa.Text()),
        required("checkout_params", sa.JSON()),
        required("checkout_attempt", sa.Integer()),
        optional("checkout_claimed_until", TIME),
        optional("expires_at", TIME),
        optional("idempotency_key", sa.String(255)),
        required("request_hash", sa.String(64)),
        optional("stripe_payment_intent_id", STRIPE_ID),
        optional("session_completed_at", TIME),
        optional("paid_at", TIME),
        optional("failed_at", TIME),
        optional("expired_at", TIME),
        optional("amount_paid", sa.BigInteger()),
        required("livemode", sa.Boolean()),
        optional("review_reason", sa.Text()),
        optional("review_decision", sa.String(20)),
        optional("reviewed_at", TIME),
        optional("reviewed_by", sa.String(255)),
        optional("review_note", sa.Text()),
        optional("stripe_checked_at", TIME),
        required("status", sa.String(20)),
        required("amount_refunded", sa.BigInteger()),
        required("credits_revoked", sa.BigInteger()),
        optional("completed_at", TIME),
        optional("metadata", JSON_OBJECT),
        required("created_at", TIME),
        required("updated_at", TIME),
        primary_key("credit_purchases", "id"),
        sa.ForeignKeyConstraint(
            ["package_id"],
            [f"{schema}.credit_packages.id" if schema else "credit_packages.id"],
            name=op.f("fk_credit_purchases_package_id"),
            ondelete="SET NULL",
        ),
        unique("credit_purchases_stripe_checkout_session_id", "stripe_checkout_session_id"),
        unique("credit_purchases_stripe_payment_intent_id", "stripe_payment_intent_id"),
        unique("credit_purchases_user_id_idempotency_key", "user_id", "idempotency_key"),
        check(
            "credit_purchases_amount_credits",
            f"amount_credits > 0 AND amount_credits <= {LARGEST_INTEGER}",
        ),
        check("credit_purchases_unit_amount", "unit_amount >= 0"),
        check("credit_purchases_amount_paid", "amount_paid >= 0"),
        check(
            "credit_purchases_credits_revoked",
            "credits_revoked >= 0 AND credits_revoked <= amount_credits",
        ),
        schema=schema,
    )
    newest_first = ["user_id", sa.text("created_at DESC"), "id"]
    create_index("credit_purchases", "user_id_created_at", newest_first, schema)
    create_index("credit_purchases", "status_created_at", ["status", "created_at"], schema)
    create_index("credit_purchases", "package_id", ["package_id"], schema)


def create_buyers(schema: str | None) -> None:
    op.create_table(
        "credit_buyers",
        required("user_id", sa.String(255)),
        optional("stripe_customer_id", STRIPE_ID),
        required("created_at", TIME),
        primary_key("credit_buyers", "user_id"),
        unique("credit_buyers_stripe_customer_id", "stripe_customer_id"),
        schema=schema,
    )


def create_refund_requests(schema: str | None) -> None:
    op.create_table(
        "credit_refund_requests",
        required("id", sa.Uuid()),
        required("purchase_id", sa.Uuid()),
        required("amount", sa.BigInteger()),
        optional("reason", sa.Text()),
        required("actor", sa.String(255)),
        optional("stripe_refund_id", STRIPE_ID),
        required("created_at", TIME),
        primary_key("credit_refund_requests", "id"),
        purchase_key("credit_refund_requests", schema),
        unique("credit_refund_requests_stripe_refund_id", "stripe_refund_id"),
        check("credit_refund_requests_amount", "amount > 0"),
        schema=schema,
    )
    create_index("credit_refund_requests", "purchase_id", ["purchase_id"], schema)


def create_facts_about_payments(schema: str | None) -> None:
    op.create_table(
        "credit_payments",
        required("stripe_payment_intent_id", STRIPE_ID),
        primary_key("credit_payments", "stripe_payment_intent_id"),
        schema=schema,
    )
    for table, key in (
        ("credit_refunds", "stripe_refund_id"),
        ("credit_disputes", "stripe_dispute_id"),
    ):
        op.create_table(
            table,
            required(key, STRIPE_ID),
            required("stripe_payment_intent_id", STRIPE_ID),
            required("amount", sa.BigInteger()),
            required("currency", sa.String(3)),
            required("status", sa.String(50)),
            required("live_rank", sa.SmallInteger()),
            required("created_at", TIME),
            required("updated_at", TIME),
            primary_key(table, key),
            check(f"{table}_amount", "amount >= 0"),
            schema=schema,
        )
        create_index(table, "stripe_payment_intent_id", ["stripe_payment_intent_id"], schema)


def create_grants(schema: str | None) -> None:
    op.create_table(
        "credit_grants",
        required("id", sa.Uuid()),
        required("purchase_id", sa.Uuid()),
        required("sequence", sa.Integer()),
        required("user_id", sa.String(255)),
        required("credits", sa.BigInteger()),
        required("reason", sa.String(30)),
        required("cause", sa.String(255)),
        required("created_at", TIME),
        optional("delivered_at", TIME),
        optional("claimed_until", TIME),
        required("attempts", sa.Integer()),
        optional("next_attempt_at", TIME),
        optional("last_error", sa.Text()),
        primary_key("credit_grants", "id"),
        purchase_key("credit_grants", schema),
        unique("credit_grants_purchase_id_sequence", "purchase_id", "sequence"),
        check("credit_grants_credits", "credits <> 0"),
        schema=schema,
    )
    create_index("credit_grants", "user_id_created_at", ["user_id", "created_at"], schema)
    undelivered = sa.text("delivered_at IS NULL")
    create_index(
        "credit_grants",
        "undelivered",
        ["next_attempt_at"],
        schema,
        postgresql_where=undelivered,
        sqlite_where=undelivered,
    )


def create_webhook_events(schema: str | None) -> None:
    table = "credit_webhook_events"
    op.create_table(
        table,
        required("stripe_event_id", STRIPE_ID),
        required("type", sa.String(255)),
        optional("object_id", STRIPE_ID),
        optional("purchase_id", sa.Uuid()),
        optional("api_version", sa.String(50)),
        required("verdict", sa.String(20)),
        required("attempts", sa.Integer()),
        optional("error_class", sa.String(255)),
        optional("created", TIME),
        required("received_at", TIME),
        required("updated_at", TIME),
        primary_key(table, "stripe_event_id"),
        schema=schema,
    )
    create_index(table, "purchase_id", ["purchase_id"], schema)
    create_index(table, "verdict_received_at", ["verdict", "received_at"], schema)


def create_audit_log(schema: str | None) -> None:
    op.create_table(
        "credit_audit_log",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        required("created_at", TIME),
        required("actor", sa.String(255)),
        required("action", sa.String(100)),
        optional("purchase_id", sa.Uuid()),
        optional("details", JSON_OBJECT),
        primary_key("credit_audit_log", "id"),
        schema=schema,
    )
    create_index("credit_audit_log", "purchase_id", ["purchase_id"], schema)
    create_index("credit_audit_log", "created_at", ["created_at"], schema)


def purchase_key(table: str, schema: str | None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["purchase_id"],
        [f"{schema}.credit_purchases.id" if schema else "credit_purchases.id"],
        name=op.f(f"fk_{table}_purchase_id"),
    )


def create_index(
    table: str, name: str, columns: list[Any], schema: str | None, **options: Any
) -> None:
    op.create_index(op.f(f"ix_{table}_{name}"), table, columns, schema=schema, **options)


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    for table in (
        "credit_audit_log",
        "credit_webhook_events",
        "credit_grants",
        "credit_disputes",
        "credit_refunds",
        "credit_payments",
        "credit_refund_requests",
        "credit_buyers",
        "credit_purchases",
        "credit_packages",
    ):
        op.drop_table(table, schema=schema)
