"""Payments that complete the session days before the money comes, or doesn't."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import stripe

from flask_stripe_credits.sandbox import ApiError, NotOpen, Sandbox

from .conftest import new_key, open_session
from .test_refunds import charge_of, types_after

US, US_REFUSED, US_WAITS = "000123456789", "000222222227", "000000000009"
SEPA, SEPA_REFUSED = "AT611904300234573201", "AT861904300235473202"


def in_euros(client: stripe.StripeClient, **changes: Any) -> str:
    price = {"currency": "eur", "unit_amount": 900, "product_data": {"name": "Pack"}}
    return open_session(client, line_items=[{"price_data": price, "quantity": 1}], **changes).id


def completed_unpaid(client: stripe.StripeClient, id: str) -> str:
    """Check that a session waits for its bank; return its payment intent."""
    session = client.v1.checkout.sessions.retrieve(id, {"expand": ["payment_intent"]})
    assert (session.status, session.payment_status, session.url) == ("complete", "unpaid", None)
    intent: Any = session.payment_intent
    assert (intent.status, intent.amount_received) == ("processing", 0)
    charge = charge_of(client, intent.id)
    assert (charge.status, charge.paid, charge.captured) == ("pending", False, False)
    return str(intent.id)


@pytest.mark.parametrize("number", [US, SEPA])
def test_a_debit_completes_the_session_unpaid_and_is_paid_later(
    client: stripe.StripeClient, sandbox: Sandbox, number: str
) -> None:
    id = in_euros(client) if number == SEPA else open_session(client).id
    assert sandbox.pay(id, number).result == "processing"
    intent_id = completed_unpaid(client, id)
    sandbox.settle_payment(id)
    session = client.v1.checkout.sessions.retrieve(id, {"expand": ["payment_intent"]})
    assert (session.status, session.payment_status) == ("complete", "paid")
    intent: Any = session.payment_intent
    assert (intent.status, intent.amount_received) == ("succeeded", intent.amount)
    charge = charge_of(client, intent_id)
    assert (charge.status, charge.paid, charge.amount_captured) == (
        "succeeded",
        True,
        intent.amount,
    )
    assert types_after(sandbox, "payment_intent.created") == [
        "payment_intent.created",
        "charge.pending",
        "payment_intent.processing",
        "checkout.session.completed",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.async_payment_succeeded",
    ]
    with pytest.raises(ApiError, match="waits for no bank"):
        sandbox.settle_payment(id, succeeded=False)
    with pytest.raises(NotOpen):
        sandbox.pay(id)


@pytest.mark.parametrize(("number", "succeeded"), [(US_REFUSED, None), (US, False)])
def test_a_debit_that_is_refused_leaves_the_session_complete_and_unpaid(
    client: stripe.StripeClient, sandbox: Sandbox, number: str, succeeded: bool | None
) -> None:
    id = open_session(client).id
    sandbox.pay(id, number)
    intent_id = completed_unpaid(client, id)
    sandbox.settle_payment(id, succeeded=succeeded)
    session = client.v1.checkout.sessions.retrieve(id)
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    intent = client.v1.payment_intents.retrieve(intent_id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    charge = charge_of(client, intent_id)
    assert (charge.status, charge.failure_code) == ("failed", "insufficient_funds")
    assert types_after(sandbox, "checkout.session.completed")[1:] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "checkout.session.async_payment_failed",
    ]
    with pytest.raises(stripe.InvalidRequestError, match="successful charge to refund"):
        client.v1.refunds.create({"payment_intent": intent_id})
    with pytest.raises(ApiError, match="took no money"):
        sandbox.dispute(intent_id)


def test_no_event_says_paid_before_the_bank_does(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    sandbox.pay(open_session(client).id, US)
    (completed,) = sandbox.events("checkout.session.completed")
    assert completed["data"]["object"]["payment_status"] == "unpaid"
    sandbox.settle_payment(completed["data"]["object"]["id"])
    (paid,) = sandbox.events("checkout.session.async_payment_succeeded")
    assert paid["data"]["object"]["payment_status"] == "paid"


def test_banks_answer_by_themselves_where_they_are_told_to(client: stripe.StripeClient) -> None:
    with Sandbox(settle_after_seconds=60).start(deliver=False) as sandbox:
        client = stripe.StripeClient(new_key(), base_addresses={"api": sandbox.url})
        ids = {number: open_session(client).id for number in (US, US_REFUSED, US_WAITS)}
        for number, id in ids.items():
            sandbox.pay(id, number)
        refund = sandbox.refund(sandbox.pay(open_session(client).id).session["payment_intent"])
        slow = sandbox.refund(
            sandbox.pay(open_session(client).id, "4000000000007726").session["payment_intent"]
        )
        sandbox.advance(50)
        assert len(sandbox.events("charge.pending")) == 3
        assert sandbox.events("checkout.session.async_payment_succeeded") == []
        sandbox.advance(15)
        sandbox.advance(15)
        (paid,) = sandbox.events("checkout.session.async_payment_succeeded")
        (failed,) = sandbox.events("checkout.session.async_payment_failed")
        assert paid["data"]["object"]["id"] == ids[US]
        assert failed["data"]["object"]["id"] == ids[US_REFUSED]
        completed_unpaid(client, ids[US_WAITS])
        assert (refund["status"], slow["status"]) == ("succeeded", "pending")
        assert [each["status"] for each in sandbox.objects("refund")] == ["succeeded"] * 2


def test_a_session_takes_the_methods_of_its_currency(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    types = client.v1.checkout.sessions.retrieve(open_session(client).id).payment_method_types
    assert types == ["card", "us_bank_account"]
    euros = in_euros(client)
    types = client.v1.checkout.sessions.retrieve(euros).payment_method_types
    assert types == ["card", "sepa_debit"]
    cards_only: list[str] = [
        open_session(client, allowed_payment_method_types=["card", "link"]).id,
        open_session(client, excluded_payment_method_types=["us_bank_account"]).id,
        open_session(client, payment_intent_data={"capture_method": "manual"}).id,
        euros,
    ]
    for id in cards_only:
        with pytest.raises(ApiError, match="'us_bank_account' is invalid"):
            sandbox.pay(id, US)
        assert sandbox.session(id)["status"] == "open"
    assert sandbox.objects("charge") == []
    with pytest.raises(stripe.InvalidRequestError, match="No valid payment method types"):
        open_session(client, allowed_payment_method_types=["sepa_debit"])


def test_a_debit_is_refunded_slowly(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    id = in_euros(client)
    sandbox.pay(id, SEPA)
    sandbox.settle_payment(id)
    intent: Any = sandbox.session(id)["payment_intent"]
    refund = client.v1.refunds.create({"payment_intent": intent})
    assert (refund.status, refund.currency) == ("pending", "eur")
    # A bank may give the money back on top: refund and dispute both pay out.
    assert sandbox.dispute(intent, reason="debit_not_authorized")["amount"] == 900
    assert sandbox.settle_refund(refund.id, "succeeded")["status"] == "succeeded"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (
            {
                "type": "us_bank_account",
                "us_bank_account[account_number]": US,
                "us_bank_account[routing_number]": "110000000",
            },
            None,
        ),
        (
            {
                "type": "us_bank_account",
                "us_bank_account[account_number]": US,
                "us_bank_account[routing_number]": "021000021",
            },
            "account_number_invalid",
        ),
        (
            {
                "type": "us_bank_account",
                "us_bank_account[account_number]": "12345",
                "us_bank_account[routing_number]": "110000000",
            },
            "account_number_invalid",
        ),
        (
            {"type": "us_bank_account", "us_bank_account[routing_number]": "110000000"},
            "parameter_missing",
        ),
        ({"type": "sepa_debit", "sepa_debit[iban]": "AT61 1904 3002 3457 3201"}, None),
        ({"type": "sepa_debit", "sepa_debit[iban]": US}, "account_number_invalid"),
        ({"type": "sepa_debit"}, "parameter_missing"),
    ],
)
def test_only_test_accounts_become_payment_methods(
    sandbox: Sandbox, params: dict[str, str], code: str | None
) -> None:
    answer = requests.post(
        f"{sandbox.url}/v1/payment_methods",
        data=params,
        headers={"Authorization": f"Bearer {new_key()}"},
        timeout=30,
    )
    assert answer.json().get("error", {}).get("code") == code
    assert len(sandbox.objects("payment_method")) == (code is None)
    if code is None:
        assert not [number for number in (US, SEPA) if number in answer.text]


def test_the_page_does_not_say_paid_before_the_bank_does(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    session = open_session(client)
    assert session.url is not None
    sandbox.pay(session.id, US)
    page = requests.get(session.url, timeout=30)
    assert page.status_code == 200
    assert "already ordered" in page.text
    assert "already paid" not in page.text
    sandbox.settle_payment(session.id)
    assert "already paid" in requests.get(session.url, timeout=30).text


def test_details_of_another_kind_are_refused(client: stripe.StripeClient) -> None:
    given: Any = {"type": "card", "card": {"token": "tok_visa"}, "sepa_debit": {"iban": SEPA}}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_methods.create(given)
    assert refused.value.param == "sepa_debit"
