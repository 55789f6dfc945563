"""The tables, as typed mixins, and the concrete models built from them on the host's metadata.

The models live on a private declarative base that shares the host's ``MetaData``: the host's
naming convention, schema, base class and dataclass options stay the host's business, and its
own models can point foreign keys at these tables. Every constraint and index carries its final
name (``conv`` keeps a naming convention from changing it), so that the migrations, which know
no host, make the same tables.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.sql.naming import conv
from sqlalchemy.types import TypeEngine

from .errors import ConfigurationError
from .money import LARGEST_INTEGER

_INFO_KEY = "flask_stripe_credits"

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


JSONObject: TypeEngine[Any] = sa.JSON(none_as_null=True).with_variant(
    JSONB(none_as_null=True), "postgresql"
)
# SQLite only numbers rows by itself in a column declared INTEGER.
_Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")

_ID = sa.Uuid()
_STRIPE_ID = sa.String(255)
_CURRENCY = sa.String(3)


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=conv(f"ck_{name}"))


def _unique(name: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=conv(f"uq_{name}"))


def _index(name: str, *expressions: Any, **options: Any) -> sa.Index:
    return sa.Index(conv(f"ix_{name}"), *expressions, **options)


def _primary_key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=conv(f"pk_{table}"))


def _purchase_key(cls: type[Any], table: str) -> sa.ForeignKeyConstraint:
    purchases = _qualified(cls, "credit_purchases")
    return sa.ForeignKeyConstraint(
        ["purchase_id"], [f"{purchases}.id"], name=conv(f"fk_{table}_purchase_id")
    )


def _qualified(cls: type[Any], table: str) -> str:
    schema = cls.metadata.schema
    return f"{schema}.{table}" if schema else table


class CreditPackageMixin:
    """What is for sale: ``credits`` whole credits for ``unit_amount`` minor units of ``currency``.

    ``discount_percentage`` is for display only: the price is final.
    """

    __tablename__ = "credit_packages"

    id: Mapped[uuid.UUID] = mapped_column(_ID, default=uuid.uuid4)
    package_code: Mapped[str] = mapped_column(sa.String(50))
    package_name: Mapped[str] = mapped_column(sa.String(255))
    description: Mapped[str | None] = mapped_column(sa.Text)
    credits: Mapped[int] = mapped_column(sa.BigInteger)
    unit_amount: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(_CURRENCY)
    discount_percentage: Mapped[int] = mapped_column(sa.Integer, default=0)
    is_active: Mapped[bool] = mapped_column(sa.Boolean, default=True)
    display_order: Mapped[int] = mapped_column(sa.Integer, default=0)
    stripe_product_id: Mapped[str | None] = mapped_column(_STRIPE_ID)
    stripe_price_id: Mapped[str | None] = mapped_column(_STRIPE_ID)
    created_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
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


class CreditPurchaseMixin:
    """One purchase: a snapshot of the package, the checkout, the facts and the results.

    Amounts are minor units of ``currency``; ``amount_credits`` and ``credits_revoked`` are whole
    credits. ``status`` is computed from the facts and assigned nowhere else.
    """

    __tablename__ = "credit_purchases"

    id: Mapped[uuid.UUID] = mapped_column(_ID, default=uuid.uuid4)
    user_id: Mapped[str] = mapped_column(sa.String(LONGEST_USER_ID))

    package_id: Mapped[uuid.UUID | None] = mapped_column(_ID)
    package_code: Mapped[str] = mapped_column(sa.String(50))
    package_name: Mapped[str] = mapped_column(sa.String(255))
    amount_credits: Mapped[int] = mapped_column(sa.BigInteger)
    unit_amount: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(_CURRENCY)
    stripe_price_id: Mapped[str | None] = mapped_column(_STRIPE_ID)

    stripe_checkout_session_id: Mapped[str | None] = mapped_column(_STRIPE_ID)
    checkout_url: Mapped[str | None] = mapped_column(sa.Text)
    # Plain JSON keeps the order of keys: what is sent again is byte for byte what was sent first.
    checkout_params: Mapped[dict[str, Any]] = mapped_column(sa.JSON(none_as_null=True))
    checkout_attempt: Mapped[int] = mapped_column(sa.Integer, default=1)
    checkout_claimed_until: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    idempotency_key: Mapped[str | None] = mapped_column(sa.String(255))
    request_hash: Mapped[str] = mapped_column(sa.String(64))

    stripe_payment_intent_id: Mapped[str | None] = mapped_column(_STRIPE_ID)
    session_completed_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    paid_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    failed_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    expired_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    amount_paid: Mapped[int | None] = mapped_column(sa.BigInteger)
    livemode: Mapped[bool] = mapped_column(sa.Boolean)
    review_reason: Mapped[str | None] = mapped_column(sa.Text)
    review_decision: Mapped[str | None] = mapped_column(sa.String(20))
    reviewed_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    reviewed_by: Mapped[str | None] = mapped_column(sa.String(255))
    review_note: Mapped[str | None] = mapped_column(sa.Text)
    stripe_checked_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)

    status: Mapped[str] = mapped_column(sa.String(20), default="pending")
    amount_refunded: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    credits_revoked: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    completed_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)

    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONObject)
    created_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        packages = _qualified(cls, "credit_packages")
        paid = sa.text("paid_at IS NOT NULL")
        return (
            _primary_key("credit_purchases", "id"),
            sa.ForeignKeyConstraint(
                ["package_id"],
                [f"{packages}.id"],
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
            _index(
                "credit_purchases_of_user",
                "user_id",
                sa.text("created_at DESC"),
                *("id", "paid_at", "currency", "package_code", "amount_paid"),
            ),
            _index(
                "credit_purchases_created_at",
                sa.text("created_at DESC"),
                *("id", "status", "package_code", "paid_at", "completed_at"),
            ),
            _index(
                "credit_purchases_sales",
                *("package_code", "currency", "paid_at", "amount_paid", "amount_credits"),
                postgresql_where=paid,
                sqlite_where=paid,
            ),
            _index("credit_purchases_status_created_at", "status", "created_at"),
            _index("credit_purchases_package_id", "package_id"),
        )


class CreditBuyerMixin:
    """One row per user: the row that serialises a user's purchases."""

    __tablename__ = "credit_buyers"

    user_id: Mapped[str] = mapped_column(sa.String(LONGEST_USER_ID))
    stripe_customer_id: Mapped[str | None] = mapped_column(_STRIPE_ID)
    created_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            _primary_key("credit_buyers", "user_id"),
            _unique("credit_buyers_stripe_customer_id", "stripe_customer_id"),
        )


class CreditRefundRequestMixin:
    """An operator's wish to refund ``amount`` minor units, written before Stripe is called."""

    __tablename__ = "credit_refund_requests"

    id: Mapped[uuid.UUID] = mapped_column(_ID, default=uuid.uuid4)
    purchase_id: Mapped[uuid.UUID] = mapped_column(_ID)
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    reason: Mapped[str | None] = mapped_column(sa.Text)
    actor: Mapped[str] = mapped_column(sa.String(LONGEST_ACTOR))
    stripe_refund_id: Mapped[str | None] = mapped_column(_STRIPE_ID)
    created_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            _primary_key("credit_refund_requests", "id"),
            _purchase_key(cls, "credit_refund_requests"),
            _unique("credit_refund_requests_stripe_refund_id", "stripe_refund_id"),
            _check("credit_refund_requests_amount", "amount > 0"),
            _index("credit_refund_requests_purchase_id", "purchase_id"),
        )


class CreditPaymentMixin:
    """One row per payment intent: locking it serialises all facts about that payment."""

    __tablename__ = "credit_payments"

    stripe_payment_intent_id: Mapped[str] = mapped_column(_STRIPE_ID)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        return (_primary_key("credit_payments", "stripe_payment_intent_id"),)


class _ReversalMixin:
    """Money of a payment that goes back, as Stripe tells it: minor units of ``currency``."""

    stripe_payment_intent_id: Mapped[str] = mapped_column(_STRIPE_ID)
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(_CURRENCY)
    status: Mapped[str] = mapped_column(sa.String(50))
    live_rank: Mapped[int] = mapped_column(sa.SmallInteger)
    created_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        table, key = cls.__tablename__, cls._key  # type: ignore[attr-defined]
        return (
            _primary_key(table, key),
            _check(f"{table}_amount", "amount >= 0"),
            _index(f"{table}_stripe_payment_intent_id", "stripe_payment_intent_id"),
        )


class CreditRefundMixin(_ReversalMixin):
    """One refund. ``live_rank`` only grows: 10 pending, 11 requires_action, 20 succeeded (all of
    them live), 30 failed, 31 canceled."""

    __tablename__ = "credit_refunds"
    _key = "stripe_refund_id"

    stripe_refund_id: Mapped[str] = mapped_column(_STRIPE_ID)


class CreditDisputeMixin(_ReversalMixin):
    """One dispute. ``live_rank`` only grows: its tens are 0 while no funds moved, 1 withdrawn
    (live) and 2 returned, its units order the status texts."""

    __tablename__ = "credit_disputes"
    _key = "stripe_dispute_id"

    stripe_dispute_id: Mapped[str] = mapped_column(_STRIPE_ID)


class CreditGrantMixin:
    """A signed change of credits handed to the credit manager. Append-only but for delivery.

    ``id`` is the idempotency key for the credit manager; ``cause`` names the event, the run or
    the operator that led to it. ``package_code`` is the purchase's, for reports by package; None
    if a release before revision 0002 wrote the row.
    """

    __tablename__ = "credit_grants"

    id: Mapped[uuid.UUID] = mapped_column(_ID, default=uuid.uuid4)
    purchase_id: Mapped[uuid.UUID] = mapped_column(_ID)
    sequence: Mapped[int] = mapped_column(sa.Integer)
    user_id: Mapped[str] = mapped_column(sa.String(LONGEST_USER_ID))
    credits: Mapped[int] = mapped_column(sa.BigInteger)
    reason: Mapped[str] = mapped_column(sa.String(30))
    cause: Mapped[str] = mapped_column(sa.String(255))
    created_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)

    delivered_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    claimed_until: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(sa.Integer, default=0)
    next_attempt_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    last_error: Mapped[str | None] = mapped_column(sa.Text)
    package_code: Mapped[str | None] = mapped_column(sa.String(50))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        undelivered = sa.text("delivered_at IS NULL")
        return (
            _primary_key("credit_grants", "id"),
            _purchase_key(cls, "credit_grants"),
            _unique("credit_grants_purchase_id_sequence", "purchase_id", "sequence"),
            _check("credit_grants_credits", "credits <> 0"),
            _index("credit_grants_user_id_created_at", "user_id", "created_at"),
            _index(
                "credit_grants_package_code_created_at", "package_code", "created_at", "credits"
            ),
            _index(
                "credit_grants_undelivered",
                "next_attempt_at",
                postgresql_where=undelivered,
                sqlite_where=undelivered,
            ),
        )


class CreditWebhookEventMixin:
    """Inbox of Stripe's events about our purchases. Never proof that credits were granted."""

    __tablename__ = "credit_webhook_events"

    stripe_event_id: Mapped[str] = mapped_column(_STRIPE_ID)
    type: Mapped[str] = mapped_column(sa.String(255))
    object_id: Mapped[str | None] = mapped_column(_STRIPE_ID)
    purchase_id: Mapped[uuid.UUID | None] = mapped_column(_ID)
    api_version: Mapped[str | None] = mapped_column(sa.String(50))
    verdict: Mapped[str] = mapped_column(sa.String(20))
    attempts: Mapped[int] = mapped_column(sa.Integer, default=1)
    error_class: Mapped[str | None] = mapped_column(sa.String(255))
    created: Mapped[dt.datetime | None] = mapped_column(UTCDateTime)
    received_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            _primary_key("credit_webhook_events", "stripe_event_id"),
            _index("credit_webhook_events_purchase_id", "purchase_id"),
            _index("credit_webhook_events_verdict_received_at", "verdict", "received_at"),
        )


class CreditAuditLogMixin:
    """Who did what when: operators' acts and changes of status that no grant row records."""

    __tablename__ = "credit_audit_log"

    id: Mapped[int] = mapped_column(_Serial, autoincrement=True)
    created_at: Mapped[dt.datetime] = mapped_column(UTCDateTime)
    actor: Mapped[str] = mapped_column(sa.String(LONGEST_ACTOR))
    action: Mapped[str] = mapped_column(sa.String(100))
    purchase_id: Mapped[uuid.UUID | None] = mapped_column(_ID)
    details: Mapped[dict[str, Any] | None] = mapped_column(JSONObject)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        return (
            _primary_key("credit_audit_log", "id"),
            _index("credit_audit_log_purchase_id", "purchase_id"),
            _index("credit_audit_log_created_at", "created_at"),
        )


@dataclass(frozen=True, slots=True)
class Models:
    """The concrete models on one ``MetaData``."""

    Package: type[CreditPackageMixin]
    Purchase: type[CreditPurchaseMixin]
    Buyer: type[CreditBuyerMixin]
    RefundRequest: type[CreditRefundRequestMixin]
    Payment: type[CreditPaymentMixin]
    Refund: type[CreditRefundMixin]
    Dispute: type[CreditDisputeMixin]
    Grant: type[CreditGrantMixin]
    WebhookEvent: type[CreditWebhookEventMixin]
    AuditLog: type[CreditAuditLogMixin]

    def table(self, model: type[Any]) -> sa.Table:
        """The Core table of one of these models."""
        return cast(sa.Table, model.__table__)

    @property
    def tables(self) -> tuple[sa.Table, ...]:
        """All our tables, in an order in which they can be created."""
        return tuple(self.table(getattr(self, name)) for name in _MIXINS)


_MIXINS: dict[str, type[Any]] = {
    "Package": CreditPackageMixin,
    "Purchase": CreditPurchaseMixin,
    "Buyer": CreditBuyerMixin,
    "RefundRequest": CreditRefundRequestMixin,
    "Payment": CreditPaymentMixin,
    "Refund": CreditRefundMixin,
    "Dispute": CreditDisputeMixin,
    "Grant": CreditGrantMixin,
    "WebhookEvent": CreditWebhookEventMixin,
    "AuditLog": CreditAuditLogMixin,
}

TABLE_NAMES = frozenset(mixin.__tablename__ for mixin in _MIXINS.values())


def build_models(
    metadata: sa.MetaData, purchase_class: type[CreditPurchaseMixin] = CreditPurchaseMixin
) -> Models:
    """Return the models on ``metadata``, building them the first time. Safe to repeat.

    :param purchase_class: an unmapped subclass of :class:`CreditPurchaseMixin` with the host's
        own methods and properties.
    :raises ConfigurationError: when ``metadata`` already has other tables of these names, or
        the models were built with another ``purchase_class``.
    """
    built: tuple[Models, type[CreditPurchaseMixin]] | None = metadata.info.get(_INFO_KEY)
    if built is not None:
        models, used = built
        if used is not purchase_class:
            raise ConfigurationError(
                f"the credit models of this database were already built with {used.__name__}; "
                f"pass the same purchase_class to every StripeCredits of one db"
            )
        return models
    _refuse_name_clash(metadata)
    base = cast(type[Any], type("CreditBase", (DeclarativeBase,), {"metadata": metadata}))
    mixins = _MIXINS | {"Purchase": purchase_class}
    models = Models(
        **{
            name: type(f"Credit{name}", (mixin, base), {"__module__": __name__})
            for name, mixin in mixins.items()
        }
    )
    metadata.info[_INFO_KEY] = (models, purchase_class)
    return models


def _refuse_name_clash(metadata: sa.MetaData) -> None:
    prefix = f"{metadata.schema}." if metadata.schema else ""
    taken = sorted(name for name in TABLE_NAMES if prefix + name in metadata.tables)
    if taken:
        raise ConfigurationError(
            f"your models already define {', '.join(taken)}; flask-stripe-credits needs these "
            f"table names for itself: rename your tables, or give your MetaData a schema"
        )
