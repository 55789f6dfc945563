"""The webhook of a paid purchase: ours, the reference, and the floor, each on its own database."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.sandbox.objects.checkout import session
from flask_stripe_credits.testing import assert_invariants

from ..hosts import PREFIX, make_host
from ..payloads import checkout_session, encode, event, new_secret, sign
from .databases import Databases
from .floor import Floor
from .measuring import Contestant, Request
from .reference import Reference

CREDITS = 1000
_BALANCE = "CREATE TABLE IF NOT EXISTS balance (user_id varchar(255) PRIMARY KEY, credits bigint)"
_ADD = sa.text(
    "INSERT INTO balance VALUES (:user_id, :credits) "
    "ON CONFLICT (user_id) DO UPDATE SET credits = balance.credits + excluded.credits"
)
# All of a session's fields: an event of Stripe's has 3 to 4 kB, and its size is what parsing costs.
WHOLE_SESSION = session(
    {
        "success_url": "https://shop.example/credits/return?purchase={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/credits",
    },
    [{"amount_total": 1000, "currency": "usd"}],
    method_types=["card", "link", "us_bank_account"],
    url="https://checkout.example",
    now=0,
)
_LEDGER = "SELECT count(*), count(DISTINCT user_id), coalesce(sum(credits), 0) FROM {}"


class Shop:
    """Something that sells: how purchases get into it, and what its ledger holds then."""

    name: str
    path: str
    ledger: str
    app: Flask
    engine: sa.Engine

    def add(self, purchases: Sequence[Mapping[str, Any]]) -> None:
        """Insert pending purchases."""
        raise NotImplementedError

    def check(self, sold: int) -> None:
        """Raise unless each of ``sold`` purchases, all of different users, was booked once."""
        with self.engine.connect() as connection:
            found = tuple(connection.exec_driver_sql(_LEDGER.format(self.ledger)).one())
        assert found == (sold, sold, sold * CREDITS), f"{self.name}: {found} after {sold} purchases"


class Ours(Shop):
    name, path, ledger = "ours", f"{PREFIX}/webhook", "ledger_entry"

    def __init__(self, database_url: str, secret: str) -> None:
        # No SECRET_KEY, as in the reference: Flask would open a session that nobody asks for.
        self.host = make_host(
            database_url, watched=False, SECRET_KEY=None, STRIPE_WEBHOOK_SECRET_CREDITS=secret
        )
        self.app = self.host.app
        with self.app.app_context():
            self.engine = self.host.db.engine

    def add(self, purchases: Sequence[Mapping[str, Any]]) -> None:
        now = dt.datetime.now(dt.UTC)
        more = {
            "package_name": "Starter Pack",
            "checkout_params": {},
            "request_hash": "0" * 64,
            "livemode": False,
            "created_at": now,
            "updated_at": now,
        }
        with self.engine.begin() as connection:
            table = self.host.credits.Purchase.__table__
            connection.execute(sa.insert(table), [{**one, **more} for one in purchases])

    def check(self, sold: int) -> None:
        super().check(sold)
        assert_invariants(self.app)


class Balances(Ours):
    """Ours with a receiver that adds to a balance: a row that all purchases of a user share."""

    name = "balances"

    def __init__(self, database_url: str, secret: str) -> None:
        self.host = make_host(
            database_url, receiver=_add, watched=False, STRIPE_WEBHOOK_SECRET_CREDITS=secret
        )
        self.app = self.host.app
        with self.app.app_context():
            self.engine = self.host.db.engine
        with self.engine.begin() as connection:
            connection.exec_driver_sql(_BALANCE)

    def check(self, sold: int) -> None:
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT sum(credits) FROM balance").scalar_one()
        assert found == sold * CREDITS, f"{found} credits after {sold} purchases"
        assert_invariants(self.app)


def _add(grant: GrantSnapshot, session: Session) -> None:
    values = {"user_id": grant.user_id, "credits": grant.credits}
    session.execute(_ADD, values)


class ByHand(Shop):
    name, path, ledger = "reference", "/webhook", "ledger_entry"
    reference_class = Reference

    def __init__(self, database_url: str, secret: str) -> None:
        self.reference = self.reference_class(database_url, secret)
        self.app = self.reference.app
        with self.app.app_context():
            self.engine = self.reference.db.engine

    def add(self, purchases: Sequence[Mapping[str, Any]]) -> None:
        rows = [
            {
                "id": str(one["id"]),
                "user_id": one["user_id"],
                "package_code": one["package_code"],
                "credits": one["amount_credits"],
                "amount": one["unit_amount"],
                "currency": one["currency"],
                "session_id": one["stripe_checkout_session_id"],
            }
            for one in purchases
        ]
        with self.engine.begin() as connection:
            connection.execute(sa.insert(self.reference.Purchase.__table__), rows)


class Bare(Shop):
    name, path, ledger = "floor", "/webhook", "ledger"

    def __init__(self, database_url: str, secret: str) -> None:
        self.floor = Floor(database_url, secret)
        self.app, self.engine = self.floor.app, self.floor.engine

    def add(self, purchases: Sequence[Mapping[str, Any]]) -> None:
        for one in purchases:
            values = one["user_id"], one["amount_credits"], one["stripe_checkout_session_id"]
            statement = "INSERT INTO purchases VALUES (?, ?, ?, ?, NULL, 'pending', NULL)"
            self.floor.execute(statement, str(one["id"]), *values)
        self.floor.driver.commit()


class Sale:
    """Sells to one shop, and remembers how much.

    :ivar buyer: who buys everything; None: somebody else each time.
    """

    def __init__(self, shop: Shop, secret: str) -> None:
        self.shop, self.secret, self.sold = shop, secret, 0
        self.buyer: str | None = None

    def first_deliveries(self, count: int) -> list[Request]:
        """Events of new purchases, none of them delivered yet."""
        purchases = [_purchase(self.buyer) for _ in range(count)]
        self.shop.add(purchases)
        self.sold += count
        return [self._request(one) for one in purchases]

    def second_deliveries(self, count: int) -> list[Request]:
        """Events that were delivered already."""
        requests = self.first_deliveries(count)
        client = self.shop.app.test_client()
        for one in requests:
            assert client.post(one.path, data=one.body, headers=one.headers).status_code == 200
        return requests

    def check(self) -> None:
        self.shop.check(self.sold)

    def _request(self, purchase: Mapping[str, Any]) -> Request:
        body = encode(
            event("checkout.session.completed", WHOLE_SESSION | checkout_session(purchase))
        )
        return Request("POST", self.shop.path, body, {"Stripe-Signature": sign(body, self.secret)})


def _purchase(buyer: str | None) -> dict[str, Any]:
    id = uuid.uuid4()
    return {
        "id": id,
        "user_id": buyer or f"user-{id}",
        "package_code": "starter",
        "amount_credits": CREDITS,
        "unit_amount": 1000,
        "currency": "usd",
        "stripe_checkout_session_id": f"cs_test_{id.hex}",
    }


SHOPS = {shop.name: shop for shop in (Ours, ByHand, Bare, Balances)}


def sales(databases: Databases, *names: str) -> dict[str, Sale]:
    """These shops, each with an empty database."""
    secret = new_secret()
    return {name: Sale(SHOPS[name](databases.create(), secret), secret) for name in names}


def first_delivery(sale: Sale) -> Contestant:
    return Contestant(sale.shop.name, sale.shop.app, sale.first_deliveries, sale.check)


def second_delivery(sale: Sale) -> Contestant:
    return Contestant(sale.shop.name, sale.shop.app, sale.second_deliveries, sale.check)


def statements(sale: Sale) -> list[str]:
    """The SQL of one delivery, in order."""
    (request,) = sale.first_deliveries(1)
    found: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        found.append(" ".join(statement.split()))

    sa.event.listen(sale.shop.engine, "before_cursor_execute", note)
    answer = sale.shop.app.test_client().post(
        request.path, data=request.body, headers=request.headers
    )
    sa.event.remove(sale.shop.engine, "before_cursor_execute", note)
    assert answer.status_code == 200
    return found
