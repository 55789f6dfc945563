"""A small host app with a ledger, on any database: what most tests sell credits in."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from werkzeug.test import TestResponse

from flask_stripe_credits import GrantSnapshot, StripeCredits
from flask_stripe_credits.models import CreditPurchaseMixin
from flask_stripe_credits.state import AppState, state_of
from flask_stripe_credits.testing import assert_invariants

from .databases import furnish
from .described import watch
from .payloads import (
    checkout_session,
    encode,
    event,
    new_api_key,
    new_secret,
    pending_purchase,
    sign,
)

PREFIX = "/api/v1/billing/credits"


@dataclass
class Host:
    """One app with ``StripeCredits``, its ledger and ways to look into its database.

    ``user`` is who the app thinks is asking; None for nobody.
    """

    app: Flask
    db: SQLAlchemy
    credits: StripeCredits
    LedgerEntry: Any
    webhook_secret: str
    user: object = "alice"
    received: list[GrantSnapshot] = field(default_factory=list)

    @property
    def state(self) -> AppState:
        return state_of(self.app)

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def rows(self, model: type[Any], **where: Any) -> list[dict[str, Any]]:
        """All rows of a model, read on a connection of their own, oldest first."""
        table = model.__table__
        query = sa.select(table)
        for name, value in where.items():
            query = query.where(table.c[name] == value)
        if "created_at" in table.c:
            query = query.order_by(table.c.created_at)
        with self.app.app_context(), self.db.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def row_counts(self) -> dict[str, int]:
        """How many rows every table has, the host's own too."""
        with self.app.app_context(), self.db.engine.connect() as connection:
            return {
                table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                for table in self.db.metadata.sorted_tables
            }

    def purchases(self, **where: Any) -> list[dict[str, Any]]:
        return self.rows(self.credits.Purchase, **where)

    def purchase(self, purchase_id: uuid.UUID | str) -> dict[str, Any]:
        key = purchase_id if isinstance(purchase_id, uuid.UUID) else uuid.UUID(purchase_id)
        (found,) = self.purchases(id=key)
        return found

    def grants(self, **where: Any) -> list[dict[str, Any]]:
        return self.rows(self.credits.Grant, **where)

    def ledger(self, user_id: str | None = None) -> list[int]:
        """The signed credits that the host's credit manager has booked."""
        where = {} if user_id is None else {"user_id": user_id}
        return [row["credits"] for row in self.rows(self.LedgerEntry, **where)]

    def balance(self, user_id: str = "alice") -> int:
        return sum(self.ledger(user_id))

    def assert_exact(self) -> None:
        """Each grant is booked once, nothing else is, and all of it is explained by payments."""
        booked = {entry["id"]: entry["credits"] for entry in self.rows(self.LedgerEntry)}
        assert booked == {str(grant["id"]): grant["credits"] for grant in self.grants()}
        assert_invariants(self.app)

    def load_packages(self) -> None:
        live = ["--live"] if self.state.settings.livemode else []
        load = ["credits", "packages", "load", "--by", "cli", *live]
        result = self.app.test_cli_runner().invoke(args=load)
        assert result.exit_code == 0, result.output

    def add_purchase(self, **overrides: Any) -> dict[str, Any]:
        """A pending purchase with an open session, as ``POST /purchase`` leaves it."""
        made = pending_purchase()
        values: dict[str, Any] = {
            **made,
            "checkout_url": f"https://checkout.test/{made['id'].hex}",
            "checkout_attempt": 1,
            "expires_at": made["created_at"] + dt.timedelta(hours=24),
            "status": "pending",
            "amount_refunded": 0,
            "credits_revoked": 0,
        } | overrides
        table = self.credits.Purchase.__table__
        with self.app.app_context(), self.db.engine.begin() as connection:
            connection.execute(sa.insert(table), values)
        return self.purchase(values["id"])

    def post_event(self, document: Any, **headers: str) -> TestResponse:
        """Deliver one event, signed with the host's secret."""
        return self.post_body(encode(document), **headers)

    def post_body(self, body: bytes, **headers: str) -> TestResponse:
        signed = {"Stripe-Signature": sign(body, self.webhook_secret)} | headers
        return self.client.post(
            f"{PREFIX}/webhook", data=body, headers=signed, content_type="application/json"
        )

    @property
    def db_url(self) -> str:
        return str(self.app.config["SQLALCHEMY_DATABASE_URI"])

    def paid_event(self, purchase: dict[str, Any], **overrides: Any) -> dict[str, Any]:
        """``checkout.session.completed`` for ``purchase``; overrides are the session's."""
        return event("checkout.session.completed", checkout_session(purchase, **overrides))

    def pay(self, purchase: dict[str, Any], **overrides: Any) -> TestResponse:
        """Deliver :meth:`paid_event`."""
        return self.post_event(self.paid_event(purchase, **overrides))


@functools.cache
def _shared_db() -> tuple[SQLAlchemy, Any]:
    """What most hosts have in common, as the modules of a host are imported once: mapping the
    tables took longer than all else that most tests do."""
    return _new_db()


def _new_db(session_options: dict[str, Any] | None = None) -> tuple[SQLAlchemy, Any]:
    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base, session_options=session_options)

    class LedgerEntry(db.Model):  # type: ignore[name-defined, misc]
        id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
        user_id: Mapped[str] = mapped_column(sa.String(255))
        credits: Mapped[int] = mapped_column(sa.BigInteger)

    return db, LedgerEntry


def make_host(
    database_url: str,
    *,
    receiver: Callable[..., Any] | bool | None = True,
    session_options: dict[str, Any] | None = None,
    tables: bool = True,
    watched: bool = True,
    before_init: Callable[[Host], object] | None = None,
    metrics_registry: Any = None,
    purchase_class: type[CreditPurchaseMixin] = CreditPurchaseMixin,
    **config: Any,
) -> Host:
    """Build a host on an empty database, with tables (unless told not to) and without packages.

    Hosts share their models, as the apps of one process do; one with options of its own for the
    sessions, or with a model of its own, shares nothing. Who adds a table to ``db`` needs another.

    Every answer of its API has to be described in its ``openapi.json``, unless nobody watches.

    :param receiver: True books every grant in the ledger, False connects nothing, a function is
        connected with ``on_grant`` instead.
    :param session_options: for the host's Flask-SQLAlchemy.
    :param before_init: called before the extension is initialised.
    :param watched: False where the time of an answer counts.
    :param metrics_registry: where its metrics are; None for the one of the whole process.
    :param purchase_class: its model of a purchase.
    """
    own = session_options is not None or purchase_class is not CreditPurchaseMixin
    db, LedgerEntry = _new_db(session_options) if own else _shared_db()
    credits = StripeCredits(db=db, metrics_registry=metrics_registry, purchase_class=purchase_class)
    secret = new_secret()
    app = Flask("host")
    app.config |= {
        "TESTING": True,
        "SECRET_KEY": "only for tests",
        "SQLALCHEMY_DATABASE_URI": database_url,
        "STRIPE_SECRET_KEY": new_api_key(),
        "STRIPE_WEBHOOK_SECRET_CREDITS": secret,
        # Nobody listens there: a test that talks to Stripe says where.
        "STRIPE_CREDITS_API_BASE": "http://127.0.0.1:9",
        "STRIPE_CREDITS_SUCCESS_URL": "http://localhost/return?purchase={PURCHASE_ID}",
        "STRIPE_CREDITS_CANCEL_URL": "http://localhost/cancelled",
    } | config
    host = Host(app, db, credits, LedgerEntry, secret)

    def book(grant: GrantSnapshot, session: Session) -> None:
        host.received.append(grant)
        session.add(LedgerEntry(id=grant.id, user_id=grant.user_id, credits=grant.credits))

    if receiver is True:
        credits.on_grant(book)
    elif callable(receiver):
        credits.on_grant(receiver)
    credits.user_id_loader(lambda: host.user)
    db.init_app(app)
    if before_init is not None:
        before_init(host)
    credits.init_app(app)
    if watched:
        watch(app)
    if tables:
        with app.app_context():
            if own:
                db.create_all()
            else:
                furnish(database_url, db.metadata, db.create_all)
    return host


@pytest.fixture
def host(database_url: str) -> Host:
    """A host with the ledger, once on SQLite and once on PostgreSQL."""
    return make_host(database_url)


@pytest.fixture
def sqlite_url(new_database: Callable[[str], str]) -> str:
    """The URL of an empty SQLite database, for what no database can change."""
    return new_database("sqlite")


@pytest.fixture
def sqlite_host(sqlite_url: str) -> Host:
    """A host with the ledger on SQLite, for what no database can change."""
    return make_host(sqlite_url)


@pytest.fixture
def postgres_host(postgres_database_url: str) -> Host:
    """A host with the ledger on PostgreSQL."""
    return make_host(postgres_database_url)
