"""The return page of the example app, before any webhook and on both databases."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from example_app import create_app
from example_app.credit_manager import balance_of, spend
from example_app.extensions import db
from flask_stripe_credits.sandbox import Sandbox
from tests.example_app.conftest import log_in
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


def buy(client: FlaskClient) -> str:
    """Press the first package's button; return the id of the purchase."""
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', client.get("/admin/credits").text))
    form |= {"package_code": "starter", "credits": "1000", "unit_amount": "1000"}
    answer = client.post("/admin/credits/buy", data=form)
    assert answer.status_code == 303, answer.text
    newest = client.get(f"{API}/history").json or []
    return str(newest[0]["id"])


def session_of(stripe: Sandbox, purchase_id: str) -> str:
    (session,) = (
        session
        for session in stripe.objects("checkout.session")
        if session["client_reference_id"] == purchase_id
    )
    return str(session["id"])


def balance(app: Flask, user_id: str) -> int:
    with app.app_context():
        return balance_of(user_id)


def test_B34_F09_F18_the_return_page_brings_the_credits_before_any_webhook(
    selling: Flask, stripe: Sandbox
) -> None:
    alice, bob = selling.test_client(), selling.test_client()
    assert (log_in(alice, "alice"), log_in(bob, "bob")) == (302, 302)
    bought = buy(alice)
    path = f"/admin/credits/purchases/{bought}?returned=paid"
    stripe.pay(session_of(stripe, bought))
    assert balance(selling, "alice") == 0

    # Somebody else gets nothing, and moves nothing.
    assert bob.get(path).status_code == 404
    assert (balance(selling, "alice"), balance(selling, "bob")) == (0, 0)

    page = alice.get(path).text
    assert "1,000 credits were added" in page
    assert (balance(selling, "alice"), balance(selling, "bob")) == (1_000, 0)
    alice.get(path)
    assert balance(selling, "alice") == 1_000


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
    page = f"/admin/credits/purchases/{bought}"
    payment = stripe.pay(session_of(stripe, bought)).session["payment_intent"]
    alice.get(page)
    with selling.app_context():
        spend("alice", 900, "spent")

    disputed = stripe.dispute(payment)
    deliver(selling, stripe, payment)
    assert balance(selling, "alice") == -900
    assert "None of the credits of this purchase count any more." in alice.get(page).text
    for path in (page, "/admin/credits/history", "/"):
        assert "\N{MINUS SIGN}900" in alice.get(path).text
    assert "after its credits were spent" in alice.get("/").text
    assert "Disputed" in alice.get("/admin/credits/history").text

    stripe.close_dispute(disputed["id"], "won")
    deliver(selling, stripe, payment)
    assert balance(selling, "alice") == 100
    assert "1,000 credits were added" in alice.get(page).text
    assert "dispute won" in alice.get("/").text
