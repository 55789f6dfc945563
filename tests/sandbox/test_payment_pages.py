"""Paying by API, as a script does."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests
import stripe

from flask_stripe_credits.sandbox import ApiError, NotOpen, Sandbox

from .conftest import new_key, open_session


class Script:
    """The calls that the library has no methods for."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._headers = {"Authorization": f"Bearer {new_key()}"}

    def get(self, path: str) -> requests.Response:
        return requests.get(self._sandbox.url + path, headers=self._headers, timeout=30)

    def post(self, path: str, **params: Any) -> requests.Response:
        url = self._sandbox.url + path
        return requests.post(url, data=params, headers=self._headers, timeout=30)

    def method(self, **params: Any) -> requests.Response:
        return self.post("/v1/payment_methods", type="card", **params)

    def confirm(self, session_id: str, **params: Any) -> requests.Response:
        return self.post(f"/v1/payment_pages/{session_id}/confirm", **params)


@pytest.fixture
def script(sandbox: Sandbox) -> Script:
    return Script(sandbox)


def test_a_script_pays_with_a_token(
    script: Script, client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    id = open_session(client).id
    page = script.get(f"/v1/payment_pages/{id}").json()
    method = script.method(
        **{"card[token]": "tok_visa", "billing_details[email]": "a@example.com"}
    ).json()
    paid = script.confirm(id, payment_method=method["id"], expected_amount=page["amount_total"])
    assert paid.status_code == 200
    assert (paid.json()["status"], paid.json()["payment_status"]) == ("complete", "paid")
    assert [charge["amount"] for charge in sandbox.objects("charge")] == [1000]
    assert sandbox.session(id)["customer_details"]["email"] == "a@example.com"


def test_a_declined_card_is_a_card_error_and_the_session_stays_open(
    script: Script, client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    id = open_session(client).id
    method = script.method(**{"card[token]": "tok_chargeDeclined"}).json()
    declined = script.confirm(id, payment_method=method["id"])
    error = declined.json()["error"]
    assert declined.status_code == 402
    assert (error["type"], error["code"], error["decline_code"]) == (
        "card_error",
        "card_declined",
        "generic_decline",
    )
    assert error["payment_intent"]["status"] == "requires_payment_method"
    types = [event["type"] for event in sandbox.events()]
    assert types[-2:] == ["charge.failed", "payment_intent.payment_failed"]
    session = client.v1.checkout.sessions.retrieve(id)
    assert (session.status, session.payment_status) == ("open", "unpaid")
    script.confirm(id, payment_method="pm_card_visa")
    session = client.v1.checkout.sessions.retrieve(id)
    # The next attempt is another charge of the same payment intent.
    assert session.payment_intent == error["payment_intent"]["id"]
    assert len(sandbox.objects("payment_intent")) == 1
    assert len(sandbox.objects("charge")) == 2


@pytest.mark.parametrize(
    ("answer", "status", "charged"), [("complete", "complete", 1), ("fail", "open", 0)]
)
def test_3d_secure_is_passed_or_failed(
    script: Script,
    client: stripe.StripeClient,
    sandbox: Sandbox,
    answer: str,
    status: str,
    charged: int,
) -> None:
    id = open_session(client).id
    method = script.method(**{"card[token]": "tok_threeDSecure2Required"}).json()
    asked = script.confirm(id, payment_method=method["id"]).json()
    assert asked["payment_intent"]["status"] == "requires_action"
    assert asked["payment_intent"]["next_action"]["type"] == "redirect_to_url"
    assert sandbox.objects("charge") == []
    script.confirm(id, sandbox_authentication=answer)
    assert sandbox.session(id)["status"] == status
    assert len(sandbox.objects("charge")) == charged
    again = script.confirm(id, sandbox_authentication="complete")
    assert again.status_code == 400
    assert len(sandbox.objects("charge")) == charged


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4242424242424242", None),
        ("4242424242424241", "incorrect_number"),
        ("4111111111111111", "card_declined"),
        ("12", "incorrect_number"),
    ],
)
def test_raw_card_numbers(script: Script, number: str, code: str | None) -> None:
    card = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2040"}
    answer = script.method(**card, **{"card[cvc]": "123"})
    assert answer.json().get("error", {}).get("code") == code
    assert number not in answer.text


@pytest.mark.parametrize(
    ("month", "year", "code"),
    [("13", "2040", "invalid_expiry_month"), ("1", "2020", "invalid_expiry_year")],
)
def test_an_impossible_expiry_is_refused(script: Script, month: str, year: str, code: str) -> None:
    answer = script.method(
        **{"card[number]": "4242424242424242", "card[exp_month]": month, "card[exp_year]": year}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, code)


def test_another_amount_than_the_expected_one_is_not_paid(
    script: Script, client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    id = open_session(client).id
    answer = script.confirm(id, payment_method="pm_card_visa", expected_amount=999)
    assert answer.status_code == 400
    assert sandbox.objects("charge") == []


def test_paying_twice_at_once_charges_once(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    id = open_session(client).id
    together = threading.Barrier(8)
    outcomes: list[str] = []

    def pay() -> None:
        together.wait()
        try:
            outcomes.append(sandbox.pay(id).result)
        except NotOpen:
            outcomes.append("refused")

    threads = [threading.Thread(target=pay) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["paid", *["refused"] * 7]
    assert len(sandbox.objects("charge")) == 1
    assert len(sandbox.events("checkout.session.completed")) == 1


def test_manual_capture_completes_unpaid(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    id = open_session(client, payment_intent_data={"capture_method": "manual"}).id
    sandbox.pay(id)
    session = sandbox.session(id)
    assert (session["status"], session["payment_status"]) == ("complete", "unpaid")


def test_an_expired_session_cannot_be_paid(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    id = open_session(client).id
    sandbox.advance(24 * 60 * 60 + 1)
    with pytest.raises(NotOpen):
        sandbox.pay(id)
    with pytest.raises(ApiError):
        sandbox.pay("cs_test_none")
    assert sandbox.objects("charge") == []
