"""A buyer's click: ours and the reference, with Stripe's answer at hand at once."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
import stripe
from flask import request

from flask_stripe_credits.state import EXTENSION_KEY

from ..hosts import PREFIX, make_host
from ..payloads import checkout_session, encode, new_api_key, new_secret
from .databases import Databases
from .measuring import Contestant, Request
from .reference import Reference
from .webhook import WHOLE_SESSION


class Canned(stripe.HTTPClient):
    """Stripe's answer without Stripe's time: another open session at every call."""

    name = "canned"

    def request(
        self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        id = f"cs_test_{secrets.token_hex(12)}"
        session = {"id": id, "status": "open", "payment_status": "unpaid", "payment_intent": None}
        url = f"https://checkout.example/{id}"
        return json.dumps(_OPEN | session | {"url": url}), 200, {"Request-Id": "req_canned"}

    def close(self) -> None:
        """Nothing is open."""


_BUYER = {
    "id": uuid.UUID(int=0),
    "unit_amount": 1000,
    "currency": "usd",
    "user_id": "buyer",
    "amount_credits": 1000,
    "package_code": "starter",
    "stripe_checkout_session_id": None,
}
_OPEN = WHOLE_SESSION | checkout_session(_BUYER)


def purchases(databases: Databases) -> list[Contestant]:
    """Ours and the reference."""
    return [_ours(databases.create()), _reference(databases.create())]


def _ours(database_url: str) -> Contestant:
    host = make_host(database_url, watched=False, SECRET_KEY=None)
    host.credits.user_id_loader(lambda: request.headers.get("X-User"))
    host.load_packages()
    host.app.extensions[EXTENSION_KEY] = host.state.replaced(http_client=Canned())
    count = _Counted(host.app, host.db, "credit_purchases", "stripe_checkout_session_id")
    return Contestant("ours", host.app, lambda n: count.requests(f"{PREFIX}/purchase", n), count)


def _reference(database_url: str) -> Contestant:
    client = stripe.StripeClient(new_api_key(), http_client=Canned())
    shop = Reference(database_url, new_secret(), client)
    with shop.app.app_context():
        shop.db.session.add(
            shop.Package(
                code="starter", name="Starter Pack", credits=1000, amount=1000, currency="usd"
            )
        )
        shop.db.session.commit()
    count = _Counted(shop.app, shop.db, "purchase", "session_id")
    return Contestant("reference", shop.app, lambda n: count.requests("/purchase", n), count)


class _Counted:
    """Clicks of a new user each, every one of which must have left one purchase with a session."""

    def __init__(self, app: Any, db: Any, table: str, session_column: str) -> None:
        self.sent = 0
        self._query = f"SELECT count(*), count(DISTINCT {session_column}) FROM {table}"
        with app.app_context():
            self._engine: sa.Engine = db.engine

    def requests(self, path: str, count: int) -> Sequence[Request]:
        self.sent += count
        body = encode({"package_code": "starter"})
        return [
            Request("POST", path, body, {"X-User": str(uuid.uuid4()), "Origin": "http://localhost"})
            for _ in range(count)
        ]

    def __call__(self) -> None:
        with self._engine.connect() as connection:
            found = tuple(connection.exec_driver_sql(self._query).one())
        assert found == (self.sent, self.sent), f"{found} after {self.sent} clicks"
