"""The payment page, as a browser without JavaScript uses it."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
import requests
import stripe

from flask_stripe_credits.sandbox import Sandbox

from .conftest import open_session
from .receiver import Receiver
from .shop import Tab as PlainTab

CARD = {
    "email": "alice@example.com",
    "number": "4242 4242 4242 4242",
    "expiry": "12 / 40",
    "cvc": "123",
    "name": "Alice",
    "zip": "94107",
}
RIBBON = "Sandbox \N{EN DASH} no real money"
SECURE = {"number": "4000 0025 0000 3155"}


class Tab(PlainTab):
    """A browser's tab on a session's page."""

    def pay(self, **changes: str) -> requests.Response:
        return self.post(**{**CARD, **changes})


@pytest.fixture
def session(client: stripe.StripeClient) -> stripe.checkout.Session:
    return open_session(client)


@pytest.fixture
def tab(session: stripe.checkout.Session) -> Tab:
    assert session.url is not None
    return Tab(session.url)


def test_the_page_shows_what_is_bought_and_says_that_no_money_moves(tab: Tab) -> None:
    for shown in (
        RIBBON,
        "Starter Pack",
        "1,000 credits",
        "$10.00",
        "Pay $10.00",
        'href="http://127.0.0.1:5000/packages"',
    ):
        assert shown in tab.text
    for label in ("Email", "Card number", "Expiry", "CVC", "Name on card", "ZIP"):
        assert re.search(rf'<label for="\w+">{label}</label>', tab.text)
    assert "form-action" in tab.answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in tab.answer.headers


def test_a_good_card_pays_and_leads_back(
    tab: Tab, session: stripe.checkout.Session, sandbox: Sandbox
) -> None:
    answer = tab.pay()
    assert answer.status_code == 303
    expected = f"http://127.0.0.1:5000/return?session_id={session.id}"
    assert answer.headers["Location"] == expected
    paid = sandbox.session(session.id)
    assert paid["payment_status"] == "paid"
    assert paid["customer_details"]["name"] == "Alice"
    assert paid["customer_details"]["address"]["postal_code"] == "94107"
    assert len(sandbox.objects("charge")) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"number": "4242 4242 4242 4241"}, "Your card number is invalid."),
        ({"number": "4242 4242"}, "Your card number is incomplete."),
        ({"number": ""}, "Enter your card number."),
        ({"number": "4111 1111 1111 1111"}, "used a non test card"),
        ({"expiry": "12 / 19"}, "Your card's expiration year is in the past."),
        ({"expiry": "13 / 40"}, "Your card's expiration date is invalid."),
        ({"expiry": "00 / 40"}, "Your card's expiration date is invalid."),
        ({"expiry": "12"}, "Your card's expiration date is incomplete."),
        ({"cvc": "12"}, "Your card's security code is incomplete."),
        ({"cvc": "abc"}, "Your card's security code is invalid."),
        ({"email": ""}, "Enter your email."),
        ({"email": "alice@"}, "Your email is invalid."),
        ({"name": " "}, "This field is required."),
        ({"zip": ""}, "This field is required."),
    ],
)
def test_a_wrong_field_says_so_and_nothing_is_charged(
    tab: Tab, sandbox: Sandbox, changes: dict[str, str], problem: str
) -> None:
    assert tab.pay(**changes).status_code == 422
    assert problem in tab.text
    (field,) = changes
    assert f'aria-invalid="true" aria-describedby="{field}-error"' in tab.text
    assert re.search(rf'id="{field}-error" role="alert"', tab.text)
    assert sandbox.objects("payment_intent") == []
    assert tab.pay().status_code == 303


def test_a_number_that_could_be_a_real_card_is_not_sent_back(tab: Tab) -> None:
    tab.pay(number="4111 1111 1111 1111")
    assert "4111" not in tab.text
    tab.pay(email="", number="4242 4242 4242 4242")
    assert 'value="4242 4242 4242 4242"' in tab.text


def test_the_declined_card_stays_on_the_page(tab: Tab, sandbox: Sandbox) -> None:
    assert tab.pay(number="4000000000000002").status_code == 402
    assert "Your card was declined." in tab.text
    assert [charge["paid"] for charge in sandbox.objects("charge")] == [False]
    assert tab.pay().status_code == 303
    assert [charge["paid"] for charge in sandbox.objects("charge")] == [False, True]


def test_3d_secure_passed_pays(tab: Tab, session: stripe.checkout.Session) -> None:
    answer = tab.pay(**SECURE)
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"/c/pay/{session.id}/authenticate",
    )
    tab.answer = Tab(tab.url + "/authenticate").answer
    assert "Complete authentication" in tab.text
    assert RIBBON in tab.text
    answer = tab.post("/authenticate", decision="complete")
    assert session.id in answer.headers["Location"]


def test_3d_secure_failed_stays_and_another_card_pays(tab: Tab, sandbox: Sandbox) -> None:
    tab.pay(**SECURE)
    tab.answer = Tab(tab.url + "/authenticate").answer
    assert tab.post("/authenticate", decision="fail").status_code == 402
    assert "unable to authenticate" in tab.text
    assert 'value="alice@example.com"' in tab.text
    assert sandbox.objects("charge") == []
    assert tab.pay().status_code == 303


def test_3d_secure_needs_the_pages_token(tab: Tab, sandbox: Sandbox) -> None:
    tab.pay(**SECURE)
    answer = requests.post(
        tab.url + "/authenticate",
        data={"decision": "complete"},
        timeout=30,
        allow_redirects=False,
    )
    assert answer.status_code == 303
    assert sandbox.objects("charge") == []


def test_a_form_without_the_pages_token_charges_nothing(tab: Tab, sandbox: Sandbox) -> None:
    answer = requests.post(tab.url, data=CARD, timeout=30, allow_redirects=False)
    assert answer.status_code == 200
    assert "Please try again" in answer.text
    assert sandbox.objects("charge") == []


def test_two_tabs_pay_once(tab: Tab, session: stripe.checkout.Session, sandbox: Sandbox) -> None:
    other = Tab(tab.url)
    together = threading.Barrier(2)
    answers: list[requests.Response] = []

    def pay(one: Tab) -> None:
        together.wait()
        answers.append(one.pay())

    threads = [threading.Thread(target=pay, args=[one]) for one in (tab, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 303]
    (late,) = [answer for answer in answers if answer.status_code == 200]
    assert "already paid" in late.text
    assert f"session_id={session.id}" in late.text
    assert len(sandbox.objects("charge")) == 1


def test_a_paid_an_expired_and_an_unknown_session_say_so(
    client: stripe.StripeClient, tab: Tab, sandbox: Sandbox
) -> None:
    tab.pay()
    paid = Tab(tab.url)
    assert (paid.answer.status_code, "already paid" in paid.text) == (200, True)
    expired = open_session(client)
    client.v1.checkout.sessions.expire(expired.id)
    gone = Tab(str(expired.url))
    assert (gone.answer.status_code, "has expired" in gone.text) == (410, True)
    assert 'href="http://127.0.0.1:5000/packages"' in gone.text
    unknown = Tab(f"{sandbox.url}/c/pay/cs_test_none")
    assert (unknown.answer.status_code, "Page not found" in unknown.text) == (404, True)
    for page in (paid, gone, unknown):
        assert RIBBON in page.text


def test_what_others_wrote_is_escaped(client: stripe.StripeClient) -> None:
    nasty = "<script>alert(1)</script>\"'"
    price: Any = {"currency": "usd", "unit_amount": 1000, "product_data": {"name": nasty}}
    session = open_session(
        client,
        line_items=[{"price_data": price, "quantity": 2}],
        custom_text={"submit": {"message": nasty}},
        branding_settings={"display_name": nasty},
    )
    tab = Tab(str(session.url))
    assert "<script>alert" not in tab.answer.text
    assert nasty in tab.text
    assert "Quantity 2, $10.00 each" in tab.text
    tab.pay(email=nasty, name=nasty)
    assert "<script>alert" not in tab.answer.text


def test_a_fixed_email_cannot_be_changed(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    session = open_session(client, customer_email="fixed@example.com")
    tab = Tab(str(session.url))
    assert "readonly" in tab.text
    tab.pay(email="other@example.com")
    details = sandbox.session(session.id)["customer_details"]
    assert details["email"] == "fixed@example.com"


def test_an_order_that_costs_nothing_asks_for_no_card(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    price: Any = {"currency": "usd", "unit_amount": 0, "product_data": {"name": "Trial"}}
    session = open_session(client, line_items=[{"price_data": price, "quantity": 1}])
    tab = Tab(str(session.url))
    assert "Card number" not in tab.text
    assert tab.post(email="a@example.com").status_code == 303
    assert sandbox.session(session.id)["status"] == "complete"


def test_the_buyer_comes_back_only_after_the_webhook_was_answered(
    tab: Tab, sandbox: Sandbox, receiver: Receiver
) -> None:
    sandbox.courier.start()
    came_back: list[bool] = []
    may_answer = threading.Event()
    receiver.before_answer = may_answer.wait
    sandbox.register_webhook(receiver.url, enabled_events=["checkout.session.completed"])
    buyer = threading.Thread(target=lambda: came_back.append(tab.pay().status_code == 303))
    buyer.start()
    receiver.received.get(timeout=30)
    assert came_back == []
    may_answer.set()
    buyer.join()
    assert came_back == [True]
    (delivery,) = sandbox.deliveries()
    assert delivery.state == "delivered"
