"""Receipts: a charge has one once its money has come, and the sandbox shows it."""

from __future__ import annotations

from typing import Any

import requests
import stripe

from flask_stripe_credits.sandbox import Sandbox

from .conftest import open_session


def charge_of(client: stripe.StripeClient, session_id: str) -> Any:
    session = client.v1.checkout.sessions.retrieve(session_id)
    intent = client.v1.payment_intents.retrieve(
        str(session.payment_intent), {"expand": ["latest_charge"]}
    )
    return intent.latest_charge


def test_a_paid_charge_has_one_that_says_what_was_paid_and_given_back(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    session = open_session(client)
    sandbox.pay(session.id)
    charge = charge_of(client, session.id)
    assert charge.receipt_url == f"{sandbox.url}/receipts/{charge.id}"
    page = requests.get(charge.receipt_url, timeout=30)
    assert page.status_code == 200
    assert "$10.00" in page.text
    assert "Refunded" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    sandbox.refund(charge.payment_intent, 250)
    assert "$2.50" in requests.get(charge.receipt_url, timeout=30).text


def test_a_debit_has_one_once_the_bank_has_paid(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    paid, refused = open_session(client), open_session(client)
    for session in (paid, refused):
        sandbox.pay(session.id, "000123456789")
        assert charge_of(client, session.id).receipt_url is None
    sandbox.settle_payment(paid.id)
    sandbox.settle_payment(refused.id, succeeded=False)
    assert charge_of(client, paid.id).receipt_url is not None
    charge = charge_of(client, refused.id)
    assert charge.receipt_url is None
    for id in (charge.id, "ch_nothing"):
        answer = requests.get(f"{sandbox.url}/receipts/{id}", timeout=30)
        assert answer.status_code == 404
