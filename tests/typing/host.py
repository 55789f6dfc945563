"""A host as its author's type checkers see it: everything that is handed over has its type.

Checked, never run: beside the source by ``make types``, and beside the wheel by the tests.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, assert_type

import sqlalchemy as sa
from blinker import NamedSignal
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import InstrumentedAttribute, Session

from flask_stripe_credits import (
    GrantSnapshot,
    Money,
    PurchaseSnapshot,
    StripeCredits,
    StripeCreditsError,
)
from flask_stripe_credits.errors import CheckoutError, Refuse
from flask_stripe_credits.mail import Letter, send
from flask_stripe_credits.models import (
    CreditGrantMixin,
    CreditPackageMixin,
    CreditPurchaseMixin,
    CreditRefundMixin,
)
from flask_stripe_credits.signals import (
    grant_committed,
    purchase_completed,
    purchase_flagged,
    webhook_received,
)
from flask_stripe_credits.testing import StripeSandbox, assert_invariants

db = SQLAlchemy()
credits = StripeCredits(db=db)


@credits.on_grant
def apply(grant: GrantSnapshot, session: Session) -> None:
    assert_type(grant.id, str)
    assert_type(grant.credits, int)
    assert_type(grant.purchase, PurchaseSnapshot)
    assert_type(grant.purchase.amount_paid, int | None)
    assert_type(grant.purchase.metadata, Mapping[str, Any] | None)
    assert_type(grant.created_at, dt.datetime)
    if grant.user_id == "closed":
        raise credits.Refuse("the account is closed")
    session.execute(sa.text("SELECT 1"))


@credits.on_purchase_completed
def welcome(purchase: PurchaseSnapshot) -> str:
    return assert_type(purchase.status, str)


@credits.on_purchase_reversed
def count(**arguments: object) -> int:
    return len(arguments)


@credits.on_purchase_restored
def hand_over(session: Session | None, grant: GrantSnapshot, *, note: str = "") -> None:
    """The outbox hands over without a session."""


@credits.user_id_loader
def user_id() -> int | None:
    return 7


@credits.admin_check
def is_administrator() -> bool:
    return False


@credits.balance_loader
def balance(user_id: str) -> Decimal:
    return Decimal(len(user_id))


@credits.user_email_loader
def address(user_id: str) -> str | None:
    return None


@credits.mail_opt_out
def wants_no_mail(user_id: str, kind: str) -> bool:
    return kind == "failed"


@credits.mail_sender
def queue(letter: Letter) -> None:
    send(letter)


@credits.checkout_session_params
def localised(purchase: PurchaseSnapshot, params: dict[str, Any]) -> dict[str, Any]:
    return params | {"locale": "de"}


@grant_committed.connect
def after_commit(app: Flask, purchase: PurchaseSnapshot, grant: GrantSnapshot) -> None:
    """News of a grant."""


def look(app: Flask, purchase: PurchaseSnapshot | None, reason: str) -> None:
    """Somebody has to."""


def create_app() -> Flask:
    app = Flask(__name__)
    db.init_app(app)
    credits.init_app(app)
    purchase_flagged.connect(look, sender=app)
    assert_type(purchase_completed, NamedSignal)
    assert_type(webhook_received, NamedSignal)
    return app


class OwnPurchase(CreditPurchaseMixin):
    def is_large(self) -> bool:
        return assert_type(self.amount_credits, int) > 1_000


own = StripeCredits(db=SQLAlchemy(), purchase_class=OwnPurchase)


def models() -> None:
    assert_type(credits.Purchase, type[CreditPurchaseMixin])
    assert_type(credits.Purchase.id, InstrumentedAttribute[uuid.UUID])
    assert_type(credits.Purchase.paid_at, InstrumentedAttribute[dt.datetime | None])
    assert_type(credits.Package, type[CreditPackageMixin])
    assert_type(credits.Package.unit_amount, InstrumentedAttribute[int])
    assert_type(credits.Grant, type[CreditGrantMixin])
    assert_type(credits.Refund, type[CreditRefundMixin])
    newest = sa.select(credits.Purchase).order_by(credits.Purchase.created_at.desc()).limit(10)
    purchases = db.session.scalars(newest).all()
    assert_type(purchases, Sequence[CreditPurchaseMixin])
    assert_type(purchases[0].user_id, str)
    sums = sa.select(credits.Grant.user_id, credits.Grant.credits)
    for user, number in db.session.execute(sums):
        assert_type(user, str)
        assert_type(number, int)


def money() -> None:
    price = Money(1_000, "usd")
    assert_type(price.major, Decimal)
    assert_type(Money.from_major(Decimal("12.50"), "eur"), Money)


def deliver() -> int:
    try:
        return assert_type(credits.deliver_due(), int)
    except Refuse as refusal:
        raise StripeCreditsError(str(refusal)) from CheckoutError("and another one")


def test_a_purchase(app: Flask) -> None:
    with StripeSandbox(app) as sandbox:
        for delivered in sandbox.deliver():
            assert_type(delivered.status, int | None)
    assert_invariants(app)
