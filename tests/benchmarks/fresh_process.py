"""A host that starts and is told of its first two payments; prints the CPU time of each step.

Run as a module, in a process of its own. Arguments are settings to switch on, ``PAGES=/credits``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.payloads import (
    checkout_session,
    encode,
    event,
    new_api_key,
    new_secret,
    pending_purchase,
    sign,
)

steps: dict[str, float] = {}


def step(name: str, take: Callable[[], Any]) -> Any:
    begun = time.process_time()
    taken = take()
    steps[name] = time.process_time() - begun
    return taken


def start_without() -> tuple[Any, Any, Any]:
    """What such a host does anyway."""
    import flask
    import flask_migrate
    import flask_sqlalchemy
    import marshmallow  # noqa: F401
    import sqlalchemy as sa
    from sqlalchemy.orm import mapped_column

    app = flask.Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = flask_sqlalchemy.SQLAlchemy()

    class User(db.Model):  # type: ignore[name-defined, misc]
        id = mapped_column(sa.Integer, primary_key=True)

    db.init_app(app)
    flask_migrate.Migrate(app, db)
    with app.app_context():
        db.session.execute(sa.select(1))
        return app, db, db.engine


def import_ours() -> Any:
    from flask_stripe_credits import StripeCredits

    return StripeCredits


def initialise(kind: Any, app: Any, db: Any) -> Any:
    credits = kind(db=db)
    credits.init_app(app)
    return credits


def sell(db: Any, engine: Any, credits: Any) -> bytes:
    """The event of a new purchase, written without a context of the app's."""
    values = pending_purchase()
    with engine.begin() as connection:
        db.metadata.create_all(connection)
        connection.execute(credits.Purchase.__table__.insert(), values)
    return encode(event("checkout.session.completed", checkout_session(values)))


def deliver(app: Any, body: bytes, secret: str) -> None:
    headers = {"Stripe-Signature": sign(body, secret)}
    answer = app.test_client().post("/api/v1/billing/credits/webhook", data=body, headers=headers)
    assert answer.json["verdict"] == "handled", answer.text


def main(switched_on: list[str]) -> None:
    app, db, engine = step("host", start_without)
    secret = new_secret()
    app.config |= {
        "STRIPE_SECRET_KEY": new_api_key(),
        "STRIPE_WEBHOOK_SECRET_CREDITS": secret,
        **{
            f"STRIPE_CREDITS_{name}": value
            for name, _, value in (one.partition("=") for one in switched_on)
        },
    }
    kind = step("import", import_ours)
    credits = step("init_app", lambda: initialise(kind, app, db))
    assert "stripe" not in sys.modules
    credits.on_grant(lambda grant: None)
    for name in ("first payment", "second payment"):
        body = sell(db, engine, credits)
        step(name, lambda body=body: deliver(app, body, secret))  # type: ignore[misc]
    print(json.dumps(steps))


if __name__ == "__main__":
    main(sys.argv[1:])
