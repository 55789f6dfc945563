"""The models: what the tables' columns are to Python, mapped on the host's metadata.

They are mapped with a registry of their own that shares the host's ``MetaData``: the host's
naming convention, schema, base class and dataclass options stay the host's business, and its
own models can point foreign keys at these tables. The tables themselves are in :mod:`.tables`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, declared_attr, registry

from .errors import ConfigurationError
from .records import Record
from .tables import make_tables

_INFO_KEY = "flask_stripe_credits"


class CreditPackageMixin:
    """What is for sale: ``credits`` whole credits for ``unit_amount`` minor units of ``currency``.

    ``discount_percentage`` is for display only: the price is final.
    """

    __tablename__ = "credit_packages"

    id: Mapped[uuid.UUID]
    package_code: Mapped[str]
    package_name: Mapped[str]
    description: Mapped[str | None]
    credits: Mapped[int]
    unit_amount: Mapped[int]
    currency: Mapped[str]
    discount_percentage: Mapped[int]
    is_active: Mapped[bool]
    display_order: Mapped[int]
    stripe_product_id: Mapped[str | None]
    stripe_price_id: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]


class CreditPurchaseMixin:
    """One purchase: a snapshot of the package, the checkout, the facts and the results.

    Amounts are minor units of ``currency``; ``amount_credits`` and ``credits_revoked`` are whole
    credits. ``status`` is computed from the facts and assigned nowhere else.
    """

    __tablename__ = "credit_purchases"

    id: Mapped[uuid.UUID]
    user_id: Mapped[str]

    package_id: Mapped[uuid.UUID | None]
    package_code: Mapped[str]
    package_name: Mapped[str]
    amount_credits: Mapped[int]
    unit_amount: Mapped[int]
    currency: Mapped[str]
    stripe_price_id: Mapped[str | None]

    stripe_checkout_session_id: Mapped[str | None]
    checkout_url: Mapped[str | None]
    checkout_params: Mapped[dict[str, Any]]
    checkout_attempt: Mapped[int]
    checkout_claimed_until: Mapped[dt.datetime | None]
    expires_at: Mapped[dt.datetime | None]
    idempotency_key: Mapped[str | None]
    request_hash: Mapped[str]

    stripe_payment_intent_id: Mapped[str | None]
    session_completed_at: Mapped[dt.datetime | None]
    paid_at: Mapped[dt.datetime | None]
    failed_at: Mapped[dt.datetime | None]
    expired_at: Mapped[dt.datetime | None]
    amount_paid: Mapped[int | None]
    livemode: Mapped[bool]
    review_reason: Mapped[str | None]
    review_decision: Mapped[str | None]
    reviewed_at: Mapped[dt.datetime | None]
    reviewed_by: Mapped[str | None]
    review_note: Mapped[str | None]
    stripe_checked_at: Mapped[dt.datetime | None]

    status: Mapped[str]
    amount_refunded: Mapped[int]
    credits_revoked: Mapped[int]
    completed_at: Mapped[dt.datetime | None]

    metadata_: Mapped[dict[str, Any] | None]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]


class CreditBuyerMixin:
    """One row per user: the row that serialises a user's purchases."""

    __tablename__ = "credit_buyers"

    user_id: Mapped[str]
    stripe_customer_id: Mapped[str | None]
    created_at: Mapped[dt.datetime]


class CreditRefundRequestMixin:
    """An operator's wish to refund ``amount`` minor units, written before Stripe is called."""

    __tablename__ = "credit_refund_requests"

    id: Mapped[uuid.UUID]
    purchase_id: Mapped[uuid.UUID]
    amount: Mapped[int]
    reason: Mapped[str | None]
    actor: Mapped[str]
    stripe_refund_id: Mapped[str | None]
    created_at: Mapped[dt.datetime]


class CreditPaymentMixin:
    """One row per payment intent: locking it serialises all facts about that payment."""

    __tablename__ = "credit_payments"

    stripe_payment_intent_id: Mapped[str]


class _ReversalMixin:
    """Money of a payment that goes back, as Stripe tells it: minor units of ``currency``.

    ``package_code`` is the purchase's, for reports; None where it wasn't known whose payment it
    is, or a release before revision 0002 wrote the row.
    """

    stripe_payment_intent_id: Mapped[str]
    amount: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str]
    live_rank: Mapped[int]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]
    package_code: Mapped[str | None]


class CreditRefundMixin(_ReversalMixin):
    """One refund. ``live_rank`` only grows: 10 pending, 11 requires_action, 20 succeeded (all of
    them live), 30 failed, 31 canceled."""

    __tablename__ = "credit_refunds"

    stripe_refund_id: Mapped[str]


class CreditDisputeMixin(_ReversalMixin):
    """One dispute. ``live_rank`` only grows: its tens are 0 while no funds moved, 1 withdrawn
    (live) and 2 returned, its units order the status texts."""

    __tablename__ = "credit_disputes"

    stripe_dispute_id: Mapped[str]


class CreditGrantMixin:
    """A signed change of credits handed to the credit manager. Append-only but for delivery.

    ``id`` is the idempotency key for the credit manager; ``cause`` names the event, the run or
    the operator that led to it. ``package_code`` is the purchase's, for reports by package; None
    if a release before revision 0002 wrote the row.
    """

    __tablename__ = "credit_grants"

    id: Mapped[uuid.UUID]
    purchase_id: Mapped[uuid.UUID]
    sequence: Mapped[int]
    user_id: Mapped[str]
    credits: Mapped[int]
    reason: Mapped[str]
    cause: Mapped[str]
    created_at: Mapped[dt.datetime]

    delivered_at: Mapped[dt.datetime | None]
    claimed_until: Mapped[dt.datetime | None]
    attempts: Mapped[int]
    next_attempt_at: Mapped[dt.datetime | None]
    last_error: Mapped[str | None]
    package_code: Mapped[str | None]


class CreditWebhookEventMixin:
    """Inbox of Stripe's events about our purchases. Never proof that credits were granted."""

    __tablename__ = "credit_webhook_events"

    stripe_event_id: Mapped[str]
    type: Mapped[str]
    object_id: Mapped[str | None]
    purchase_id: Mapped[uuid.UUID | None]
    api_version: Mapped[str | None]
    verdict: Mapped[str]
    attempts: Mapped[int]
    error_class: Mapped[str | None]
    created: Mapped[dt.datetime | None]
    received_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]


class CreditAuditLogMixin:
    """Who did what when: operators' acts and changes of status that no grant row records."""

    __tablename__ = "credit_audit_log"

    id: Mapped[int]
    created_at: Mapped[dt.datetime]
    actor: Mapped[str]
    action: Mapped[str]
    purchase_id: Mapped[uuid.UUID | None]
    details: Mapped[dict[str, Any] | None]


class Models(Record):
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
        table: sa.Table = model.__table__
        return table

    @property
    def tables(self) -> tuple[sa.Table, ...]:
        """All our tables, in an order in which they can be created."""
        return tuple(map(self.table, vars(self).values()))


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
    :raises ConfigurationError: when ``metadata`` already has other tables of these names, the
        models were built with another ``purchase_class``, or it has columns or relationships.
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
    _refuse_columns_of_a_host(purchase_class)
    _refuse_name_clash(metadata)
    tables, private = make_tables(metadata), registry(metadata=metadata)
    mixins = _MIXINS | {"Purchase": purchase_class}
    models = Models(
        **{
            name: _mapped(name, mixin, tables[mixin.__tablename__], private)
            for name, mixin in mixins.items()
        }
    )
    metadata.info[_INFO_KEY] = (models, purchase_class)
    return models


def _refuse_columns_of_a_host(purchase_class: type[CreditPurchaseMixin]) -> None:
    for owner in purchase_class.__mro__:
        for name, value in vars(owner).items():
            if isinstance(value, (sa.Column, Mapped, declared_attr)):
                raise ConfigurationError(
                    f"{owner.__name__}.{name} would not be mapped: a purchase_class has methods "
                    "and properties; columns belong into a table of your own, and so does a "
                    "relationship to credits.Purchase, with a backref"
                )


def _mapped(name: str, mixin: type[Any], table: sa.Table, private: registry) -> type[Any]:
    # The registry gives it a constructor, unless a host's subclass has one.
    model = type(f"Credit{name}", (mixin,), {"__module__": __name__})
    # The name that every declarative base has for its MetaData.
    properties = {"metadata_": table.c.metadata} if "metadata" in table.c else {}
    private.map_imperatively(model, table, properties=properties)
    return model


def _refuse_name_clash(metadata: sa.MetaData) -> None:
    prefix = f"{metadata.schema}." if metadata.schema else ""
    taken = sorted(name for name in TABLE_NAMES if prefix + name in metadata.tables)
    if taken:
        raise ConfigurationError(
            f"your models already define {', '.join(taken)}; flask-stripe-credits needs these "
            f"table names for itself: rename your tables, or give your MetaData a schema"
        )
