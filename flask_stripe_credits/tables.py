"""The tables, on the host's ``MetaData``, as the migrations make them.

Written out, and not read from the annotations of the models: SQLAlchemy would take half as long
again as all the rest of ``init_app``, at every start of every process. What users see of them is
in :mod:`.models`, and a test keeps the two together.

Every constraint and index carries its final name (``conv`` keeps a host's naming convention from
changing it), so that the migrations, which know no host, make the same tables.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.naming import conv
from sqlalchemy.types import TypeEngine

from .integers import LARGEST_INTEGER

LONGEST_USER_ID = 255
LONGEST_ACTOR = 255


class UTCDateTime(sa.TypeDecorator[dt.datetime]):
    """An aware datetime, stored as UTC on every database. Naive values are refused."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = sa.DateTime(timezone=True)
    cache_ok: bool | None = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self, value: dt.datetime | None, dialect: Dialect
    ) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


_ID = sa.Uuid()
_STRIPE_ID = sa.String(255)
_CURRENCY = sa.String(3)
_CODE = sa.String(50)
_WORD = sa.String(20)
_NAME = sa.String(255)
_TEXT = sa.Text()
_COUNT = sa.Integer()
_AMOUNT = sa.BigInteger()
_TIME = UTCDateTime()
_USER_ID = sa.String(LONGEST_USER_ID)
_ACTOR = sa.String(LONGEST_ACTOR)
_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# Plain JSON keeps the order of keys: what is sent again is byte for byte what was sent first.
_ORDERED_JSON = sa.JSON(none_as_null=True)
# SQLite only numbers rows by itself in a column declared INTEGER.
_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def make_tables(metadata: sa.MetaData) -> dict[str, sa.Table]:
    """Make the tables on ``metadata``, in its schema; return them by name, in an order in which
    they can be created."""
    schema = f"{metadata.schema}." if metadata.schema else ""
    tables = (
        _packages(metadata),
        _purchases(metadata, schema),
        _buyers(metadata),
        _refund_requests(metadata, schema),
        _payments(metadata),
        _reversals(metadata, "credit_refunds", "stripe_refund_id"),
        _reversals(metadata, "credit_disputes", "stripe_dispute_id"),
        _grants(metadata, schema),
        _webhook_events(metadata),
        _audit_log(metadata),
    )
    return {table.name: table for table in tables}


def _packages(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "credit_packages",
        metadata,
        _column("id", _ID, default=uuid.uuid4),
        _column("package_code", _CODE),
        _column("package_name", _NAME),
        _optional("description", _TEXT),
        _column("credits", _AMOUNT),
        _column("unit_amount", _AMOUNT),
        _column("currency", _CURRENCY),
        _column("discount_percentage", _COUNT, default=0),
        _column("is_active", sa.Boolean(), default=True),
        _column("display_order", _COUNT, default=0),
        _optional("stripe_product_id", _STRIPE_ID),
        _optional("stripe_price_id", _STRIPE_ID),
        _column("created_at", _TIME),
        _column("updated_at", _TIME),
        _primary_key("credit_packages", "id"),
        _unique("credit_packages_package_code", "package_code"),
        _check("credit_packages_credits", f"credits > 0 AND credits <= {LARGEST_INTEGER}"),
        _check(
            "credit_packages_unit_amount",
            f"unit_amount >= 0 AND unit_amount <= {LARGEST_INTEGER}",
        ),
        _check(
            "credit_packages_discount_percentage",
            "discount_percentage >= 0 AND discount_percentage <= 100",
        ),
    )


def _purchases(metadata: sa.MetaData, schema: str) -> sa.Table:
    paid = sa.text("paid_at IS NOT NULL")
    return sa.Table(
        "credit_purchases",
        metadata,
        _column("id", _ID, default=uuid.uuid4),
        _column("user_id", _USER_ID),
        # The package, as it was.
        _optional("package_id", _ID),
        _column("package_code", _CODE),
        _column("package_name", _NAME),
        _column("amount_credits", _AMOUNT),
        _column("unit_amount", _AMOUNT),
        _column("currency", _CURRENCY),
        _optional("stripe_price_id", _STRIPE_ID),
        # The checkout.
        _optional("stripe_checkout_session_id", _STRIPE_ID),
        _optional("checkout_url", _TEXT),
        _column("checkout_params", _ORDERED_JSON),
        _column("checkout_attempt", _COUNT, default=1),
        _optional("checkout_claimed_until", _TIME),
        _optional("expires_at", _TIME),
        _optional("idempotency_key", sa.String(255)),
        _column("request_hash", sa.String(64)),
        # The facts.
        _optional("stripe_payment_intent_id", _STRIPE_ID),
        _optional("session_completed_at", _TIME),
        _optional("paid_at", _TIME),
        _optional("failed_at", _TIME),
        _optional("expired_at", _TIME),
        _optional("amount_paid", _AMOUNT),
        _column("livemode", sa.Boolean()),
        _optional("review_reason", _TEXT),
        _optional("review_decision", _WORD),
        _optional("reviewed_at", _TIME),
        _optional("reviewed_by", _ACTOR),
        _optional("review_note", _TEXT),
        _optional("stripe_checked_at", _TIME),
        # The results.
        _column("status", _WORD, default="pending"),
        _column("amount_refunded", _AMOUNT, default=0),
        _column("credits_revoked", _AMOUNT, default=0),
        _optional("completed_at", _TIME),
        _optional("metadata", _JSON),
        _column("created_at", _TIME),
        _column("updated_at", _TIME),
        _primary_key("credit_purchases", "id"),
        sa.ForeignKeyConstraint(
            ["package_id"],
            [f"{schema}credit_packages.id"],
            name=conv("fk_credit_purchases_package_id"),
            ondelete="SET NULL",
        ),
        _unique("credit_purchases_stripe_checkout_session_id", "stripe_checkout_session_id"),
        _unique("credit_purchases_stripe_payment_intent_id", "stripe_payment_intent_id"),
        _unique("credit_purchases_user_id_idempotency_key", "user_id", "idempotency_key"),
        _check(
            "credit_purchases_amount_credits",
            f"amount_credits > 0 AND amount_credits <= {LARGEST_INTEGER}",
        ),
        _check("credit_purchases_unit_amount", "unit_amount >= 0"),
        _check("credit_purchases_amount_paid", "amount_paid >= 0"),
        _check(
            "credit_purchases_credits_revoked",
            "credits_revoked >= 0 AND credits_revoked <= amount_credits",
        ),
        # What a report needs stands behind what it looks up, so that it reads no row.
        _index("credit_purchases_user_id_created_at", "user_id", sa.text("created_at DESC"), "id"),
        _index("credit_purchases_created_at", sa.text("created_at DESC"), "id", "package_code"),
        _index(
            "credit_purchases_status",
            *("status", "created_at", "package_code", "paid_at", "completed_at"),
        ),
        _index(
            "credit_purchases_sales",
            *("package_code", "currency", "paid_at", "amount_paid", "amount_credits"),
            postgresql_where=paid,
            sqlite_where=paid,
        ),
        _index(
            "credit_purchases_buyers",
            *("currency", "user_id", "package_code", "paid_at"),
            postgresql_where=paid,
            sqlite_where=paid,
        ),
    )


def _buyers(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "credit_buyers",
        metadata,
        _column("user_id", _USER_ID),
        _optional("stripe_customer_id", _STRIPE_ID),
        _column("created_at", _TIME),
        _primary_key("credit_buyers", "user_id"),
        _unique("credit_buyers_stripe_customer_id", "stripe_customer_id"),
    )


def _refund_requests(metadata: sa.MetaData, schema: str) -> sa.Table:
    return sa.Table(
        "credit_refund_requests",
        metadata,
        _column("id", _ID, default=uuid.uuid4),
        _column("purchase_id", _ID),
        _column("amount", _AMOUNT),
        _optional("reason", _TEXT),
        _column("actor", _ACTOR),
        _optional("stripe_refund_id", _STRIPE_ID),
        _column("created_at", _TIME),
        _primary_key("credit_refund_requests", "id"),
        _purchase_key("credit_refund_requests", schema),
        _unique("credit_refund_requests_stripe_refund_id", "stripe_refund_id"),
        _check("credit_refund_requests_amount", "amount > 0"),
        _index("credit_refund_requests_purchase_id", "purchase_id"),
    )


def _payments(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "credit_payments",
        metadata,
        _column("stripe_payment_intent_id", _STRIPE_ID),
        _primary_key("credit_payments", "stripe_payment_intent_id"),
    )


def _reversals(metadata: sa.MetaData, table: str, key: str) -> sa.Table:
    return sa.Table(
        table,
        metadata,
        _column(key, _STRIPE_ID),
        _column("stripe_payment_intent_id", _STRIPE_ID),
        _column("amount", _AMOUNT),
        _column("currency", _CURRENCY),
        _column("status", _CODE),
        _column("live_rank", sa.SmallInteger()),
        _column("created_at", _TIME),
        _column("updated_at", _TIME),
        _optional("package_code", _CODE),
        _primary_key(table, key),
        _check(f"{table}_amount", "amount >= 0"),
        _index(f"{table}_stripe_payment_intent_id", "stripe_payment_intent_id"),
    )


def _grants(metadata: sa.MetaData, schema: str) -> sa.Table:
    undelivered = sa.text("delivered_at IS NULL")
    return sa.Table(
        "credit_grants",
        metadata,
        _column("id", _ID, default=uuid.uuid4),
        _column("purchase_id", _ID),
        _column("sequence", _COUNT),
        _column("user_id", _USER_ID),
        _column("credits", _AMOUNT),
        _column("reason", sa.String(30)),
        _column("cause", _NAME),
        _column("created_at", _TIME),
        _optional("delivered_at", _TIME),
        _optional("claimed_until", _TIME),
        _column("attempts", _COUNT, default=0),
        _optional("next_attempt_at", _TIME),
        _optional("last_error", _TEXT),
        _optional("package_code", _CODE),
        _primary_key("credit_grants", "id"),
        _purchase_key("credit_grants", schema),
        _unique("credit_grants_purchase_id_sequence", "purchase_id", "sequence"),
        _check("credit_grants_credits", "credits <> 0"),
        _index("credit_grants_user_id_created_at", "user_id", "created_at"),
        _index("credit_grants_package_code_created_at", "package_code", "created_at", "credits"),
        _index(
            "credit_grants_undelivered",
            "next_attempt_at",
            postgresql_where=undelivered,
            sqlite_where=undelivered,
        ),
    )


def _webhook_events(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "credit_webhook_events",
        metadata,
        _column("stripe_event_id", _STRIPE_ID),
        _column("type", _NAME),
        _optional("object_id", _STRIPE_ID),
        _optional("purchase_id", _ID),
        _optional("api_version", _CODE),
        _column("verdict", _WORD),
        _column("attempts", _COUNT, default=1),
        _optional("error_class", _NAME),
        _optional("created", _TIME),
        _column("received_at", _TIME),
        _column("updated_at", _TIME),
        _primary_key("credit_webhook_events", "stripe_event_id"),
        _index("credit_webhook_events_purchase_id", "purchase_id"),
        _index("credit_webhook_events_verdict_received_at", "verdict", "received_at"),
    )


def _audit_log(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "credit_audit_log",
        metadata,
        _column("id", _SERIAL, autoincrement=True),
        _column("created_at", _TIME),
        _column("actor", _ACTOR),
        _column("action", sa.String(100)),
        _optional("purchase_id", _ID),
        _optional("details", _JSON),
        _primary_key("credit_audit_log", "id"),
        _index("credit_audit_log_purchase_id", "purchase_id"),
        _index("credit_audit_log_created_at", "created_at"),
    )


def _column(name: str, kind: TypeEngine[Any], **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **options)


def _optional(name: str, kind: TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _primary_key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=conv(f"pk_{table}"))


def _purchase_key(table: str, schema: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["purchase_id"], [f"{schema}credit_purchases.id"], name=conv(f"fk_{table}_purchase_id")
    )


def _unique(name: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=conv(f"uq_{name}"))


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=conv(f"ck_{name}"))


def _index(name: str, *expressions: Any, **options: Any) -> sa.Index:
    return sa.Index(conv(f"ix_{name}"), *expressions, **options)
