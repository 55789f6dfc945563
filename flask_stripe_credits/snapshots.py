"""Frozen pictures of a purchase and a grant: what receivers, hooks and logs are handed.

They stay usable after the commit, in another thread or a task queue.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping


@dataclass(frozen=True, slots=True)
class PurchaseSnapshot:
    """A purchase as it is after the change that is being told.

    :ivar id: 36 characters.
    :ivar user_id: the host's, as text.
    :ivar package_code: of the package as it was bought.
    :ivar package_name: likewise.
    :ivar amount_credits: whole credits that were bought.
    :ivar unit_amount: the price, minor units of ``currency``.
    :ivar currency: three lower-case letters.
    :ivar status: ``pending``, ``processing``, ``completed``, ``failed``, ``expired``, ``refunded``,
        ``disputed`` or ``review``.
    :ivar amount_paid: minor units, after discount and with tax; None until paid.
    :ivar amount_refunded: minor units of live refunds.
    :ivar credits_revoked: whole credits taken back so far.
    :ivar livemode: whether it is about real money.
    :ivar stripe_checkout_session_id: None until Stripe has opened the checkout.
    :ivar stripe_payment_intent_id: None until Stripe has told of the payment.
    :ivar checkout_url: where the buyer pays while it is pending; None until Stripe has opened it.
    :ivar expires_at: UTC, until when it can be paid.
    :ivar review_reason: what contradicts, or who refused; None when nothing does.
    :ivar metadata: what the host has written into the row; None for nothing.
    :ivar created_at: UTC.
    :ivar completed_at: UTC, our clock at the first grant; None until then.
    """

    id: str
    user_id: str
    package_code: str
    package_name: str
    amount_credits: int
    unit_amount: int
    currency: str
    status: str
    amount_paid: int | None
    amount_refunded: int
    credits_revoked: int
    livemode: bool
    stripe_checkout_session_id: str | None
    stripe_payment_intent_id: str | None
    checkout_url: str | None
    expires_at: dt.datetime | None
    review_reason: str | None
    metadata: Mapping[str, Any] | None
    created_at: dt.datetime
    completed_at: dt.datetime | None

    @classmethod
    def of(cls, row: RowMapping | Mapping[str, Any]) -> PurchaseSnapshot:
        """Build one from a row of ``credit_purchases``, keyed by column name."""
        values = {name: row[name] for name in cls.__slots__}
        values["id"] = str(values["id"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class GrantSnapshot:
    """A change of credits that the credit manager has to make, exactly once.

    :ivar id: 36 characters; the idempotency key for whatever the receiver does.
    :ivar purchase_id: 36 characters.
    :ivar user_id: whose credits change.
    :ivar sequence: 1, 2, 3 … within the purchase.
    :ivar credits: whole credits, positive to add, negative to take back.
    :ivar reason: ``purchase``, ``refund``, ``refund_failed``, ``dispute``, ``dispute_won`` or
        ``review``; new ones may be added.
    :ivar cause: the event, run or operator that led to it.
    :ivar created_at: UTC.
    :ivar purchase: the purchase as it is with this grant.
    """

    id: str
    purchase_id: str
    user_id: str
    sequence: int
    credits: int
    reason: str
    cause: str
    created_at: dt.datetime
    purchase: PurchaseSnapshot

    @classmethod
    def of(cls, row: RowMapping | Mapping[str, Any], purchase: PurchaseSnapshot) -> GrantSnapshot:
        """Build one from a row of ``credit_grants``, keyed by column name."""
        names = ("user_id", "sequence", "credits", "reason", "cause", "created_at")
        return cls(
            id=str(row["id"]),
            purchase_id=purchase.id,
            purchase=purchase,
            **{name: row[name] for name in names},
        )
