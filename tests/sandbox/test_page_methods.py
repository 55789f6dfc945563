"""Bank debits and the cards that banks refuse, as a browser without JavaScript uses them."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from flask_stripe_credits.sandbox import TEST_CARDS, Sandbox
from flask_stripe_credits.sandbox.cards import BY_NUMBER, DECLINES, passes_luhn

from .conftest import new_client, open_session
from .shop import Shop
from .test_bank_debits import completed_unpaid
from .test_page import CARD, Tab

US = {
    "chosen": "us_bank_account",
    "email": "alice@example.com",
    "holder": "Alice Example",
    "routing": "110000000",
    "account": "000123456789",
}
SEPA = {
    "chosen": "sepa_debit",
    "email": "alice@example.com",
    "holder": "Alice Example",
    "iban": "AT61 1904 3002 3457 3201",
}


def in_euros(client: stripe.StripeClient, **changes: Any) -> stripe.checkout.Session:
    price: Any = {"currency": "eur", "unit_amount": 900, "product_data": {"name": "Pack"}}
    return open_session(client, line_items=[{"price_data": price, "quantity": 1}], **changes)


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_debit_from_the_page_gives_credits_only_when_the_bank_pays(
    shop: Shop, succeeded: bool
) -> None:
    id = shop.open()
    tab = Tab(shop.sandbox.session(id)["url"])
    assert "US bank account" in tab.text
    assert tab.post(**US).status_code == 303
    completed_unpaid(new_client(shop.sandbox), id)
    shop.assert_ledger()
    assert "Your bank still has to pay" in Tab(tab.url).text
    assert tab.post(**US).status_code == 200
    assert len(shop.sandbox.objects("charge")) == 1
    shop.sandbox.settle_payment(id, succeeded=succeeded)
    shop.sandbox.deliver_pending()
    shop.assert_ledger(*[1000] * succeeded)


def test_a_sepa_debit_from_the_page_waits_for_its_bank(client: stripe.StripeClient) -> None:
    session = in_euros(client)
    tab = Tab(str(session.url))
    assert tab.post(**SEPA).status_code == 303
    completed_unpaid(client, session.id)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"holder": ""}, "This field is required."),
        ({"routing": ""}, "Enter your bank's routing number."),
        ({"routing": "11000"}, "Your bank's routing number is incomplete."),
        ({"routing": "1100000001"}, "Your bank's routing number is invalid."),
        ({"routing": "021000021"}, "The sandbox has one bank"),
        ({"account": ""}, "Enter your account number."),
        ({"account": "12"}, "Your account number is incomplete."),
        ({"account": "abc"}, "Your account number is invalid."),
        ({"account": "000123456780"}, "isn't one of Stripe's account numbers for tests"),
        ({**SEPA, "iban": ""}, "Enter your IBAN."),
        ({**SEPA, "iban": "AT61 1904"}, "Your IBAN is incomplete."),
        ({**SEPA, "iban": "AT61 1904 3002 3457 3202"}, "Your IBAN is invalid."),
        ({**SEPA, "iban": "DE89 3704 0044 0532 0130 00"}, "isn't one of Stripe's IBANs for tests"),
    ],
)
def test_a_wrong_bank_field_says_so_and_nothing_is_charged(
    client: stripe.StripeClient, sandbox: Sandbox, changes: dict[str, str], problem: str
) -> None:
    given = {**US, **changes}
    sepa = given["chosen"] == "sepa_debit"
    tab = Tab(str((in_euros(client) if sepa else open_session(client)).url))
    assert tab.post(**given).status_code == 422
    assert problem in tab.text
    field = list(changes)[-1]
    assert f'aria-invalid="true" aria-describedby="{field}-error"' in tab.text
    assert f'value="{given["chosen"]}" checked' in tab.text
    assert "<title>Error: " in tab.text
    assert sandbox.objects("payment_intent") == []
    if field in ("account", "iban"):
        assert not given[field] or f'value="{given[field]}"' not in tab.text


def test_only_the_sessions_kinds_of_payment_methods_can_be_chosen(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    session = open_session(client, excluded_payment_method_types=["us_bank_account"])
    tab = Tab(str(session.url))
    assert "US bank account" not in tab.text
    assert "Pay with card" in tab.text
    assert tab.post(**US).status_code == 422
    assert sandbox.objects("charge") == []
    session = open_session(client, excluded_payment_method_types=["card"])
    tab = Tab(str(session.url))
    assert "Card number" not in tab.text
    assert tab.post(**{**US, "chosen": "card"}).status_code == 303


@pytest.mark.parametrize("card", [card for card in TEST_CARDS if card.behaviour in DECLINES])
def test_every_declined_card_says_why_and_charges_nothing(
    client: stripe.StripeClient, sandbox: Sandbox, card: Any
) -> None:
    tab = Tab(str(open_session(client).url))
    assert tab.post(**{**CARD, "number": card.number}).status_code == 402
    why = DECLINES[card.behaviour]
    assert why.message in tab.text
    assert (f'id="{why.field}-error" role="alert"' in tab.text) == (why.field is not None)
    (charge,) = sandbox.objects("charge")
    (intent,) = sandbox.objects("payment_intent")
    assert (charge["paid"], charge["failure_code"]) == (False, why.code)
    assert charge["outcome"]["reason"] == why.decline_code
    error = intent["last_payment_error"]
    assert (error["code"], error["decline_code"]) == (why.code, why.decline_code)
    assert tab.post(**CARD).status_code == 303


def test_test_cards_are_well_formed_and_differ() -> None:
    assert all(passes_luhn(card.number) for card in TEST_CARDS)
    assert len({card.token for card in TEST_CARDS}) == len(BY_NUMBER) == len(TEST_CARDS)


def test_a_session_that_expires_while_its_page_is_open_takes_nothing(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    tab = Tab(str(open_session(client).url))
    sandbox.advance(24 * 60 * 60)
    assert tab.post(**CARD).status_code == 410
    assert "has expired" in tab.text
    assert sandbox.objects("charge") == []
