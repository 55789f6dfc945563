"""A fresh worker whose first twelve requests come at once; prints what became of them."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_stripe_credits import StripeCredits
from flask_stripe_credits.state import state_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.payloads import (
    checkout_session,
    encode,
    event,
    new_api_key,
    new_secret,
    pending_purchase,
    sign,
)

PREFIX = "/api/v1/billing/credits"
NOT_YET = {"fulfillment", "gateway", "statements", "monitoring.counting", "web.api", "web.webhook"}


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
credits = StripeCredits(db=db)


class LedgerEntry(db.Model):  # type: ignore[name-defined, misc]
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    credits: Mapped[int] = mapped_column(sa.BigInteger)


@credits.on_grant
def book(grant: Any, session: Any) -> None:
    session.add(LedgerEntry(id=grant.id, credits=grant.credits))


def make_app(database_url: str, secret: str) -> Flask:
    app = Flask("host")
    app.config |= {
        "SQLALCHEMY_DATABASE_URI": database_url,
        "STRIPE_SECRET_KEY": new_api_key(),
        "STRIPE_WEBHOOK_SECRET_CREDITS": secret,
        "STRIPE_CREDITS_PUBLIC_PACKAGES": True,
    }
    db.init_app(app)
    credits.init_app(app)
    return app


def add_purchase(engine: sa.Engine) -> dict[str, Any]:
    """A pending purchase, written without a context of the app's."""
    values = pending_purchase()
    table: Any = credits.Purchase.__table__  # type: ignore[attr-defined]
    with engine.begin() as connection:
        db.metadata.create_all(connection)
        connection.execute(sa.insert(table), values)
    return values


def main(database_url: str) -> None:
    secret, engine = new_secret(), sa.create_engine(database_url)
    app, purchase = make_app(database_url, secret), add_purchase(engine)
    body = encode(event("checkout.session.completed", checkout_session(purchase)))
    headers = {"Stripe-Signature": sign(body, secret)}
    assert not {f"flask_stripe_credits.{name}" for name in NOT_YET} & set(sys.modules)
    assert "prometheus_client" not in sys.modules

    start = threading.Barrier(12)
    answers: list[int] = []
    measurements: list[object] = []

    def be_the_first(number: int) -> None:
        client = app.test_client()
        start.wait()
        if number % 3:
            answer = client.post(f"{PREFIX}/webhook", data=body, headers=headers)
        else:
            answer = client.get(f"{PREFIX}/packages")
        answers.append(answer.status_code)
        measurements.append(state_of(app).measurements)

    threads = [threading.Thread(target=be_the_first, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(_told(engine, answers, measurements)))


def _told(engine: sa.Engine, answers: list[int], measurements: list[object]) -> dict[str, Any]:
    from prometheus_client import REGISTRY

    def counted(name: str, **labels: str) -> float | None:
        site = {"site": "local", "mode": "test"}
        return REGISTRY.get_sample_value(f"stripe_credits_{name}", site | labels)

    with engine.connect() as connection:
        ledger = connection.scalars(
            sa.select(sa.column("credits")).select_from(sa.table("ledger_entry"))
        )
        return {
            "answers": sorted(answers),
            "ledger": list(ledger),
            "measured by": len(set(map(id, measurements))),
            "deliveries counted": counted("webhook_deliveries_total", outcome="handled"),
            "purchases counted": counted("purchases_completed_total", by="webhook"),
        }


if __name__ == "__main__":
    main(sys.argv[1])
