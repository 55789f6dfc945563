"""What a competent developer writes in an afternoon: what ours is measured against.

The webhook: Flask-SQLAlchemy's ORM, ``stripe.Webhook.construct_event``, a row for the event, the
purchase locked and updated, a ledger entry, an audit row, one commit. It grants once for the usual
events; what it leaves out is listed in ``docs/explanation/performance.md``. The purchase: the
package looked up, a row, a Checkout Session, its id stored.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import sqlalchemy as sa
import stripe
from flask import Flask, abort, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Reference:
    """A shop with ``POST /webhook`` and ``POST /purchase``.

    :param client: of Stripe's library, for the purchase.
    """

    def __init__(
        self, database_url: str, secret: str, client: stripe.StripeClient | None = None
    ) -> None:
        class Base(DeclarativeBase):
            pass

        self.secret, self.client = secret, client
        self.db = db = SQLAlchemy(model_class=Base)
        self._define_models(db)
        self.app = Flask("reference")
        self.app.config["SQLALCHEMY_DATABASE_URI"] = database_url
        db.init_app(self.app)
        self.app.post("/webhook")(self.webhook)
        self.app.post("/purchase")(self.purchase)
        with self.app.app_context():
            db.create_all()

    def _define_models(self, db: Any) -> None:
        class Package(db.Model):  # type: ignore[misc]
            id: Mapped[int] = mapped_column(primary_key=True)
            code: Mapped[str] = mapped_column(sa.String(50), unique=True)
            name: Mapped[str] = mapped_column(sa.String(255))
            credits: Mapped[int]
            amount: Mapped[int]
            currency: Mapped[str] = mapped_column(sa.String(3))
            is_active: Mapped[bool] = mapped_column(default=True)

        class Event(db.Model):  # type: ignore[misc]
            id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
            type: Mapped[str] = mapped_column(sa.String(255))
            created_at: Mapped[dt.datetime] = mapped_column(default=_now)

        class Purchase(db.Model):  # type: ignore[misc]
            id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
            user_id: Mapped[str] = mapped_column(sa.String(255), index=True)
            package_code: Mapped[str] = mapped_column(sa.String(50))
            credits: Mapped[int]
            amount: Mapped[int]
            currency: Mapped[str] = mapped_column(sa.String(3))
            session_id: Mapped[str | None] = mapped_column(sa.String(255), unique=True)
            payment_intent_id: Mapped[str | None] = mapped_column(sa.String(255))
            status: Mapped[str] = mapped_column(sa.String(20), default="pending", index=True)
            created_at: Mapped[dt.datetime] = mapped_column(default=_now)
            updated_at: Mapped[dt.datetime] = mapped_column(default=_now, onupdate=_now)
            completed_at: Mapped[dt.datetime | None]

        class LedgerEntry(db.Model):  # type: ignore[misc]
            id: Mapped[int] = mapped_column(primary_key=True)
            user_id: Mapped[str] = mapped_column(sa.String(255), index=True)
            purchase_id: Mapped[str] = mapped_column(sa.ForeignKey(Purchase.id))
            credits: Mapped[int]
            created_at: Mapped[dt.datetime] = mapped_column(default=_now)

        class AuditLog(db.Model):  # type: ignore[misc]
            id: Mapped[int] = mapped_column(primary_key=True)
            action: Mapped[str] = mapped_column(sa.String(50))
            purchase_id: Mapped[str] = mapped_column(sa.ForeignKey(Purchase.id))
            details: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
            created_at: Mapped[dt.datetime] = mapped_column(default=_now)

        self.Event, self.Purchase, self.Package = Event, Purchase, Package
        self.LedgerEntry, self.AuditLog = LedgerEntry, AuditLog

    def webhook(self) -> ResponseReturnValue:
        db = self.db
        try:
            event: Any = stripe.Webhook.construct_event(  # type: ignore[no-untyped-call]
                request.get_data(), request.headers.get("Stripe-Signature", ""), self.secret
            )
        except (ValueError, stripe.SignatureVerificationError):
            abort(400)
        if db.session.get(self.Event, event.id) is not None:
            return {"received": True}
        if event.type == "checkout.session.completed":
            self._complete(event.data.object)
        db.session.add(self.Event(id=event.id, type=event.type))
        db.session.commit()
        return {"received": True}

    def _complete(self, session: Any) -> None:
        db, purchases = self.db, self.Purchase
        if session.payment_status == "unpaid":
            return
        found = sa.select(purchases).where(purchases.session_id == session.id).with_for_update()
        purchase: Any = db.session.scalar(found)
        if purchase is None or purchase.status == "completed":
            return
        purchase.status = "completed"
        purchase.payment_intent_id = session.payment_intent
        purchase.completed_at = _now()
        entry = self.LedgerEntry(
            user_id=purchase.user_id, purchase_id=purchase.id, credits=purchase.credits
        )
        details = {"session": session.id, "credits": purchase.credits}
        line = self.AuditLog(action="completed", purchase_id=purchase.id, details=details)
        db.session.add_all([entry, line])

    def purchase(self) -> ResponseReturnValue:
        db, packages = self.db, self.Package
        user_id = request.headers.get("X-User")
        if user_id is None:
            abort(401)
        code = (request.get_json() or {}).get("package_code")
        package: Any = db.session.scalar(sa.select(packages).filter_by(code=code, is_active=True))
        if package is None:
            abort(404)
        purchase: Any = self.Purchase(
            id=str(uuid.uuid4()),
            user_id=user_id,
            package_code=package.code,
            credits=package.credits,
            amount=package.amount,
            currency=package.currency,
        )
        db.session.add(purchase)
        db.session.commit()
        session = self._open_session(purchase, package.name)
        purchase.session_id = session.id
        db.session.commit()
        return {"checkout_url": session.url, "session_id": session.id}, 201

    def _open_session(self, purchase: Any, name: str) -> stripe.checkout.Session:
        assert self.client is not None
        price: Any = {
            "currency": purchase.currency,
            "unit_amount": purchase.amount,
            "product_data": {"name": name},
        }
        marks = {"purchase_id": purchase.id, "user_id": purchase.user_id}
        return self.client.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "line_items": [{"price_data": price, "quantity": 1}],
                "client_reference_id": purchase.id,
                "metadata": marks,
                "payment_intent_data": {"metadata": marks},
                "success_url": "http://localhost/return",
                "cancel_url": "http://localhost/cancelled",
            },
            {"idempotency_key": purchase.id},
        )
