"""As little as possible: Flask, HMAC, JSON, the driver, four statements. No ORM, no guarantees."""

from __future__ import annotations

import datetime as dt
import hmac
import json
from typing import Any

import sqlalchemy as sa
from flask import Flask, abort, request
from flask.typing import ResponseReturnValue

_TABLES = (
    "CREATE TABLE events (id varchar(255) PRIMARY KEY, type varchar(255))",
    "CREATE TABLE purchases (id varchar(36) PRIMARY KEY, user_id varchar(255), credits bigint,"
    " session_id varchar(255) UNIQUE, payment_intent_id varchar(255), status varchar(20),"
    " completed_at varchar(40))",
    "CREATE TABLE ledger (purchase_id varchar(36), user_id varchar(255), credits bigint)",
    "CREATE TABLE audit (purchase_id varchar(36), action varchar(50), created_at varchar(40))",
)


class Floor:
    """A shop with one webhook at ``/webhook``, on one connection of the driver's."""

    def __init__(self, database_url: str, secret: str) -> None:
        self.secret = secret.encode()
        self.engine = sa.create_engine(database_url)
        self.mark = "?" if self.engine.dialect.name == "sqlite" else "%s"
        self.driver: Any = self.engine.raw_connection().driver_connection
        for statement in _TABLES:
            self.driver.execute(statement)
        self.driver.commit()
        self.app = Flask("floor")
        self.app.post("/webhook")(self.webhook)

    def execute(self, statement: str, *values: object) -> Any:
        return self.driver.execute(statement.replace("?", self.mark), values)

    def webhook(self) -> ResponseReturnValue:
        body = request.get_data()
        timestamp, _, signature = request.headers["Stripe-Signature"].partition(",v1=")
        signed = timestamp[2:].encode() + b"." + body
        if not hmac.compare_digest(hmac.digest(self.secret, signed, "sha256").hex(), signature):
            abort(400)
        event = json.loads(body)
        session, now = event["data"]["object"], dt.datetime.now(dt.UTC).isoformat()
        self.execute("INSERT INTO events VALUES (?, ?)", event["id"], event["type"])
        purchase = self.execute(
            "UPDATE purchases SET status = 'completed', payment_intent_id = ?, completed_at = ?"
            " WHERE session_id = ? AND status <> 'completed' RETURNING id, user_id, credits",
            session["payment_intent"],
            now,
            session["id"],
        ).fetchone()
        self.execute("INSERT INTO ledger VALUES (?, ?, ?)", *purchase)
        self.execute("INSERT INTO audit VALUES (?, 'completed', ?)", purchase[0], now)
        self.driver.commit()
        return {"received": True}
