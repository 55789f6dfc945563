"""The return page of the example app, before any webhook and on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from example_app import create_app
from example_app.credit_manager import balance_of, spend
from example_app.extensions import db
from flask_stripe_credits.sandbox import Sandbox
from tests.example_app.conftest import csrf_token, log_in
from tests.payloads import encode, sign

API = "/api/v1/billing/credits"


@pytest.fixture
def selling(settings: dict[str, object], database_url: str, stripe: Sandbox) -> Iterator[Flask]:
    """The example app with packages, selling at a sandbox that delivers no webhook."""
    app = create_app(
        settings | {"SQLALCHEMY_DATABASE_URI": database_url, "STRIPE_CREDITS_API_BASE": stripe.url}
    )
    runner = app.test_cli_runner()
    for command in ("credits db upgrade", "db upgrade", "add-demo-users", "credits packages load"):
        result = runner.invoke(args=command.split())
        assert result.exit_code == 0, result.output
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def buy(client: FlaskClient) -> dict[str, Any]:
    headers = {"X-CSRFToken": csrf_token(client, "/admin/credits")}
    answer = client.post(f"{API}/purchase", json={"package_code": "starter"}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json or {}


def balance(app: Flask, user_id: str) -> int:
    with app.app_context():
        return balance_of(user_id)


def test_B34_F09_F18_the_return_page_brings_the_credits_before_any_webhook(
    selling: Flask, stripe: Sandbox
) -> None:
    alice, bob = selling.test_client(), selling.test_client()
    assert (log_in(alice, "alice"), log_in(bob, "bob")) == (302, 302)
    bought = buy(alice)
    path = f"/admin/credits/return?purchase={bought['purchase_id']}"
    stripe.pay(bought["session_id"])

    page = alice.get(path).text
    assert "No credits were added yet" in page
    watched = f'data-watch="{bought["purchase_id"]}"'
    assert watched in page
    assert balance(selling, "alice") == 0

    # What the page's script asks for; somebody else's script gets nothing and moves nothing.
    asks = f"{API}/purchases/{bought['purchase_id']}"
    assert bob.get(path).status_code == bob.get(asks).status_code == 404
    assert (balance(selling, "alice"), balance(selling, "bob")) == (0, 0)
    assert (alice.get(asks).json or {})["status"] == "completed"

    page = alice.get(path).text
    assert "Paid. 1,000 credits from this purchase were added to your balance." in page
    assert watched not in page
    assert (balance(selling, "alice"), balance(selling, "bob")) == (1_000, 0)


def deliver(app: Flask, stripe: Sandbox, payment_intent: str) -> None:
    """Deliver, once more, all that the sandbox has to say about refunds and disputes of one."""
    for event in stripe.events():
        if event["data"]["object"].get("payment_intent") == payment_intent and event[
            "type"
        ].startswith(("refund.", "charge.")):
            body = encode(event)
            headers = {"Stripe-Signature": sign(body, app.config["STRIPE_WEBHOOK_SECRET_CREDITS"])}
            answer = app.test_client().post(f"{API}/webhook", data=body, headers=headers)
            assert answer.status_code == 200, answer.text


def test_B23_B26_the_pages_tell_of_a_dispute_until_it_is_won(
    selling: Flask, stripe: Sandbox
) -> None:
    alice = selling.test_client()
    log_in(alice, "alice")
    bought = buy(alice)
    payment = stripe.pay(bought["session_id"]).session["payment_intent"]
    alice.get(f"{API}/purchases/{bought['purchase_id']}")
    with selling.app_context():
        spend("alice", 900, "spent")

    def shown() -> str:
        return alice.get(f"/admin/credits/return?purchase={bought['purchase_id']}").text

    disputed = stripe.dispute(payment)
    deliver(selling, stripe, payment)
    assert balance(selling, "alice") == -900
    assert "The payment is disputed and its credits were taken back until that is settled." in (
        shown()
    )
    for page in (shown(), alice.get("/admin/credits/history").text):
        assert "\N{MINUS SIGN}900" in page
        assert "after its credits were spent" in page
    assert "dispute" in alice.get("/admin/credits/history").text

    stripe.close_dispute(disputed["id"], "won")
    deliver(selling, stripe, payment)
    assert balance(selling, "alice") == 100
    assert "Paid. 1,000 credits from this purchase were added to your balance." in shown()
    history = alice.get("/admin/credits/history").text
    assert "dispute won" in history
    assert "after its credits were spent" not in history
