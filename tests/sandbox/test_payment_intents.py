"""Payment intents that are made by API, without a checkout session."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from flask_stripe_credits.sandbox import Sandbox

from .conftest import new_client, open_session


def make(client: stripe.StripeClient, **changes: Any) -> stripe.PaymentIntent:
    params: Any = {
        "amount": 2000,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "confirm": True,
        **changes,
    }
    return client.v1.payment_intents.create(params)


def told(sandbox: Sandbox) -> list[str]:
    return [event["type"] for event in sandbox.events()]


def taken(sandbox: Sandbox) -> int:
    """Return the money that the merchant has."""
    return sum(moved["net"] for moved in sandbox.objects("balance_transaction"))


def test_one_is_paid_at_once(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    shipping = {"name": "A Buyer", "address": {"line1": "1 Some Street", "country": "US"}}
    intent: Any = make(client, shipping=shipping, metadata={"a": "b"}, expand=["latest_charge"])
    assert (intent.status, intent.amount_received) == ("succeeded", 2000)
    assert intent.latest_charge.shipping.name == "A Buyer"
    assert intent.latest_charge.metadata["a"] == "b"
    assert taken(sandbox) == 2000
    assert told(sandbox) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 2000
    assert taken(sandbox) == 0


def test_one_is_made_first_and_paid_later(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    intents = client.v1.payment_intents
    empty = intents.create({"amount": 2000, "currency": "usd"})
    assert empty.status == "requires_payment_method"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        intents.confirm(empty.id)
    assert refused.value.code == "parameter_missing"
    assert taken(sandbox) == 0
    assert make(client, confirm=False).status == "requires_confirmation"
    intents.update(empty.id, {"description": "for later", "metadata": {"a": "b"}})
    paid = intents.confirm(empty.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.description, paid.metadata["a"]) == ("succeeded", "for later", "b")
    assert taken(sandbox) == 2000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        intents.confirm(empty.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert taken(sandbox) == 2000


def test_a_declined_card_is_an_error_that_keeps_the_intent(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    with pytest.raises(stripe.CardError) as declined:
        make(client, payment_method="pm_card_chargeDeclined", expand=["latest_charge"])
    error: Any = declined.value.error
    assert (error.code, error.decline_code) == ("card_declined", "generic_decline")
    (intent,) = sandbox.objects("payment_intent")
    assert (intent["id"], intent["status"]) == (error.payment_intent.id, "requires_payment_method")
    assert told(sandbox)[1:] == ["charge.failed", "payment_intent.payment_failed"]
    assert taken(sandbox) == 0
    again = client.v1.payment_intents.confirm(intent["id"], {"payment_method": "pm_card_visa"})
    assert again.status == "succeeded"
    assert taken(sandbox) == 2000


def test_3d_secure_waits_for_the_buyer_or_fails_without_one(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    card = "pm_card_threeDSecure2Required"
    intent = make(client, payment_method=card)
    assert intent.status == "requires_action"
    assert client.v1.payment_intents.cancel(intent.id).status == "canceled"
    assert told(sandbox)[-1] == "payment_intent.canceled"
    with pytest.raises(stripe.CardError) as declined:
        make(client, payment_method=card, off_session=True)
    assert declined.value.code == "authentication_required"
    assert taken(sandbox) == 0


def test_money_that_is_held_is_taken_later_as_a_whole_or_in_part(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = make(client, capture_method="manual")
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 2000)
    assert taken(sandbox) == 0
    capture = client.v1.payment_intents.capture
    with pytest.raises(stripe.InvalidRequestError, match="greater than the authorized"):
        capture(intent.id, {"amount_to_capture": 2001})
    assert capture(intent.id, {"amount_to_capture": 1500}).amount_received == 1500
    assert taken(sandbox) == 1500
    with pytest.raises(stripe.InvalidRequestError, match="status of succeeded"):
        capture(intent.id)
    assert taken(sandbox) == 1500
    assert told(sandbox)[-2:] == ["charge.captured", "payment_intent.succeeded"]


@pytest.mark.parametrize(
    ("iban", "status", "money"),
    [
        ("AT611904300234573201", "succeeded", 2000),
        ("IT60X0542811101000000123456", "requires_payment_method", 0),
    ],
)
def test_a_bank_debit_is_paid_or_refused_later(iban: str, status: str, money: int) -> None:
    with Sandbox(settle_after_seconds=60) as sandbox:
        client = new_client(sandbox.start(deliver=False))
        billing: Any = {"name": "A Buyer", "email": "a@example.com"}
        method = client.v1.payment_methods.create(
            {"type": "sepa_debit", "sepa_debit": {"iban": iban}, "billing_details": billing}
        )
        intent = make(client, currency="eur", payment_method=method.id)
        assert (intent.status, taken(sandbox)) == ("processing", 0)
        sandbox.advance(61)
        assert client.v1.payment_intents.retrieve(intent.id).status == status
        assert taken(sandbox) == money


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"customer": "cus_none"}, "resource_missing", "customer"),
        ({"payment_method": "pm_none"}, "resource_missing", "payment_method"),
        ({"payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
        ({"payment_method_data": {"type": "card"}}, None, "payment_method_data"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
    ],
)
def test_a_mistake_gets_stripes_error(
    sandbox: Sandbox, changes: dict[str, Any], code: str | None, param: str
) -> None:
    client = new_client(sandbox, stripe_version="2026-10-28.endive")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        make(client, **changes)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert sandbox.objects("payment_intent") == []


def test_the_intent_of_a_checkout_session_is_left_to_it(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    session = open_session(client)
    sandbox.pay(session.id, "4000000000000002")
    (intent,) = sandbox.objects("payment_intent")
    for verb in (client.v1.payment_intents.cancel, client.v1.payment_intents.confirm):
        with pytest.raises(stripe.InvalidRequestError, match="created by Checkout"):
            verb(intent["id"])
    sandbox.pay(session.id)
    assert taken(sandbox) == 1000
