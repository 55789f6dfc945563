"""The plugin's sandbox, driven as a host's own tests would."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
import stripe
from flask import Flask
from werkzeug.test import TestResponse

from flask_stripe_credits.errors import ConfigurationError
from flask_stripe_credits.state import state_of
from flask_stripe_credits.testing import Delivered, StripeSandbox, assert_invariants

from ..hosts import PREFIX, Host, make_host
from ..payloads import new_api_key

COMPLETED = "checkout.session.completed"


def buy(host: Host, user: str = "alice") -> dict[str, Any]:
    host.user = user
    answer = host.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json or {})


def of_type(delivered: list[Delivered], type: str) -> list[int | None]:
    return [one.status for one in delivered if one.type == type]


def test_a_whole_purchase_without_a_socket(
    app: Flask, host: Host, stripe_sandbox: StripeSandbox, no_sockets: None
) -> None:
    purchase = buy(host)
    session = stripe_sandbox.pay(purchase["session_id"])
    assert isinstance(session, stripe.checkout.Session)
    assert (session.payment_status, host.ledger()) == ("paid", [])
    assert of_type(stripe_sandbox.deliver(), COMPLETED) == [200]
    assert host.ledger() == [1000]
    assert stripe_sandbox.deliver() == []
    host.assert_exact()


def test_money_that_goes_back_takes_the_credits_back(
    app: Flask, host: Host, stripe_sandbox: StripeSandbox
) -> None:
    session_id = buy(host)["session_id"]
    payment = str(stripe_sandbox.pay(session_id).payment_intent)
    refund = stripe_sandbox.refund(session_id, 500)
    assert isinstance(refund, stripe.Refund)
    stripe_sandbox.deliver()
    assert sum(host.ledger()) == 500
    dispute = stripe_sandbox.dispute(payment)
    assert isinstance(dispute, stripe.Dispute)
    stripe_sandbox.deliver()
    assert sum(host.ledger()) == 0
    stripe_sandbox.sandbox.close_dispute(dispute.id, "won")
    stripe_sandbox.deliver()
    assert sum(host.ledger()) == 500
    host.assert_exact()


def test_a_declined_card_leaves_the_session_open(
    app: Flask, host: Host, stripe_sandbox: StripeSandbox
) -> None:
    session_id = buy(host)["session_id"]
    session = stripe_sandbox.pay(session_id, card="4000000000000002")
    assert (session.status, session.payment_status) == ("open", "unpaid")
    stripe_sandbox.deliver()
    assert host.ledger() == []
    with pytest.raises(ValueError, match="isn't paid"):
        stripe_sandbox.refund(session_id)


def test_time_expires_a_session(app: Flask, host: Host, stripe_sandbox: StripeSandbox) -> None:
    purchase = buy(host)
    stripe_sandbox.advance(dt.timedelta(days=2))
    assert of_type(stripe_sandbox.deliver(), "checkout.session.expired") == [200]
    assert host.purchase(purchase["purchase_id"])["status"] == "expired"


def test_what_the_app_refuses_is_sent_again(database_url: str) -> None:
    tries: list[str] = []

    def fails_once(grant: Any) -> None:
        tries.append(grant.id)
        if len(tries) == 1:
            raise RuntimeError("the first try fails")

    host = make_host(database_url, receiver=fails_once)
    host.load_packages()
    with StripeSandbox(host.app) as sandbox:
        sandbox.pay(buy(host)["session_id"])
        assert of_type(sandbox.deliver(retries=False), COMPLETED) == [503]
        assert of_type(sandbox.deliver(), COMPLETED) == [200]
    assert tries[0] == tries[1]


def test_events_are_the_librarys_and_can_be_delivered_by_hand(
    app: Flask,
    host: Host,
    stripe_sandbox: StripeSandbox,
    signed_webhook: Callable[[Any], TestResponse],
) -> None:
    stripe_sandbox.pay(buy(host)["session_id"])
    events = stripe_sandbox.events
    assert all(isinstance(event, stripe.Event) for event in events)
    completed = events[-1]
    assert completed.type == COMPLETED
    for _ in range(2):
        assert signed_webhook(completed).json == {"received": True, "verdict": "handled"}
    assert host.ledger() == [1000]
    forged = completed.to_dict() | {"data": {"object": {"object": "checkout.session"}}}
    assert signed_webhook(forged).status_code == 400


def test_stripe_that_breaks_a_connection_is_asked_again(
    app: Flask, host: Host, stripe_sandbox: StripeSandbox
) -> None:
    stripe_sandbox.sandbox.faults.next("POST /v1/checkout/sessions", reset=True, after_work=True)
    stripe_sandbox.pay(buy(host)["session_id"])
    stripe_sandbox.deliver()
    assert len(stripe_sandbox.sandbox.objects("checkout.session")) == 1
    assert host.ledger() == [1000]


def test_afterwards_the_app_is_as_it_was(sqlite_host: Host) -> None:
    before, telemetry = state_of(sqlite_host.app), stripe.enable_telemetry
    with StripeSandbox(sqlite_host.app):
        assert state_of(sqlite_host.app) is not before
        # It would write a file into the home directory of whoever runs the tests.
        assert not stripe.enable_telemetry
    assert state_of(sqlite_host.app) is before
    assert stripe.enable_telemetry == telemetry


def test_keys_that_lack_are_made_up(
    new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET_CREDITS"):
        monkeypatch.delenv(name, raising=False)
    host = make_host(
        new_database("sqlite"), STRIPE_SECRET_KEY=None, STRIPE_WEBHOOK_SECRET_CREDITS=None
    )
    host.load_packages()
    refused = host.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
    assert refused.status_code == 503
    with StripeSandbox(host.app) as sandbox:
        sandbox.pay(buy(host)["session_id"])
        sandbox.deliver()
        assert host.ledger() == [1000]
        assert_invariants(host.app)


def test_a_live_key_is_refused(new_database: Callable[[str], str]) -> None:
    key = new_api_key("live")
    host = make_host(new_database("sqlite"), STRIPE_SECRET_KEY=key)
    with pytest.raises(ConfigurationError, match="live key") as refused:
        StripeSandbox(host.app)
    assert key not in str(refused.value)


def test_an_app_without_the_extension_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="init_app"):
        StripeSandbox(Flask("other"))


def test_the_pages_sell_without_a_socket(
    new_database: Callable[[str], str], no_sockets: None
) -> None:
    off = {"STRIPE_CREDITS_SUCCESS_URL": None, "STRIPE_CREDITS_CANCEL_URL": None}
    host = make_host(new_database("sqlite"), STRIPE_CREDITS_PAGES="/credits", **off)
    host.load_packages()
    client = host.client
    with StripeSandbox(host.app) as stripe_sandbox:
        form = client.get("/credits").text.partition("</form>")[0]
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        answer = client.post("/credits/buy", data=fields)
        assert answer.status_code == 303
        assert answer.location.startswith("https://stripe.localhost/c/pay/cs_test_")
        (bought,) = host.purchases()
        stripe_sandbox.pay(bought["stripe_checkout_session_id"])
        page = f"/credits/purchases/{bought['id']}"
        assert "1,000 credits were added" in client.get(page).text
        receipt = client.get(f"{page}/receipt")
        assert receipt.location.startswith("https://stripe.localhost/receipts/ch_")
        assert host.ledger() == [1000]
