from __future__ import annotations

from typing import Any

import pytest
import stripe

from flask_stripe_credits.sandbox import Sandbox

from .conftest import new_client, open_session, session_params


def test_a_new_session_is_open_unpaid_and_carries_what_it_was_given(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    session = open_session(
        client,
        client_reference_id="p1",
        customer_email="alice@example.com",
        allow_promotion_codes=True,
        automatic_tax={"enabled": True},
        adaptive_pricing={"enabled": False},
        billing_address_collection="required",
        custom_text={"submit": {"message": "Thank you"}},
        invoice_creation={"enabled": True},
        consent_collection={"promotions": "none"},
        locale="auto",
        submit_type="pay",
        allowed_payment_method_types=["card"],
    )
    assert session.id.startswith("cs_test_")
    assert session.url == f"{sandbox.url}/c/pay/{session.id}"
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert (session.amount_subtotal, session.amount_total, session.currency) == (1000, 1000, "usd")
    assert session.total_details is not None
    assert session.total_details.to_dict() == {
        "amount_discount": 0,
        "amount_shipping": 0,
        "amount_tax": 0,
    }
    assert session.payment_intent is None
    assert session.livemode is False
    assert session.expires_at - session.created == 24 * 60 * 60
    assert session.client_reference_id == "p1"
    assert session.metadata is not None
    assert session.metadata["purchase_id"] == "p1"
    assert session.ui_mode == "hosted_page"
    assert "presentment_details" not in session


def test_a_paid_session_leads_to_its_payment_intent_and_charge(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    id = open_session(client, customer_creation="always").id
    sandbox.pay(id, email="alice@example.com")
    session: Any = client.v1.checkout.sessions.retrieve(
        id, {"expand": ["payment_intent.latest_charge", "line_items"]}
    )
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert session.customer_details.email == "alice@example.com"
    assert client.v1.customers.retrieve(session.customer).email == "alice@example.com"
    assert session.payment_intent.metadata["purchase_id"] == "p1"
    assert session.payment_intent.amount_received == 1000
    charge = client.v1.charges.retrieve(session.payment_intent.latest_charge.id)
    assert (charge.paid, charge.payment_intent) == (True, session.payment_intent.id)
    assert charge.metadata["purchase_id"] == "p1"
    assert session.line_items.data[0].description == "Starter Pack"
    items = client.v1.checkout.sessions.line_items.list(id)
    assert [(item.quantity, item.amount_total) for item in items.data] == [(1, 1000)]


def test_sessions_are_found_by_status_payment_intent_and_time(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    paid, unpaid = open_session(client).id, open_session(client).id
    intent = sandbox.pay(paid).session["payment_intent"]
    sessions = client.v1.checkout.sessions

    def found(**params: Any) -> list[str]:
        wanted: Any = params
        return [session.id for session in sessions.list(wanted).data]

    assert found(status="complete") == [paid]
    assert found(status="open") == [unpaid]
    assert found(payment_intent=intent) == [paid]
    assert found(created={"gte": sandbox.clock.now() - 60}) == [unpaid, paid]
    assert found(created={"gte": sandbox.clock.now() + 60}) == []
    assert found(customer_details={"email": "buyer@example.com"}) == [paid]


def test_a_session_expires_once_and_never_after_it_was_paid(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    id = open_session(client).id
    assert client.v1.checkout.sessions.expire(id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError, match="status of `expired`"):
        client.v1.checkout.sessions.expire(id)
    paid = open_session(client).id
    sandbox.pay(paid)
    with pytest.raises(stripe.InvalidRequestError, match="status of `complete`"):
        client.v1.checkout.sessions.expire(paid)
    (event,) = sandbox.events("checkout.session.expired")
    assert event["data"]["object"]["id"] == id


def test_a_session_expires_by_itself_when_its_time_is_over(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    id = open_session(client, expires_at=sandbox.clock.now() + 2100).id
    sandbox.advance(2000)
    assert client.v1.checkout.sessions.retrieve(id).status == "open"
    sandbox.clock.advance(101)
    assert client.v1.checkout.sessions.retrieve(id).status == "expired"
    assert client.v1.checkout.sessions.list({"status": "open"}).data == []
    assert len(sandbox.events("checkout.session.expired")) == 1


def test_a_session_that_costs_nothing_needs_no_payment(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    price = {"currency": "usd", "unit_amount": 0, "product_data": {"name": "Trial"}}
    session = open_session(client, line_items=[{"price_data": price, "quantity": 1}])
    assert session.payment_status == "no_payment_required"
    sandbox.pay(session.id)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"
    assert sandbox.objects("charge") == []


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"mode": None}, "parameter_missing", "mode"),
        ({"line_items": None}, "parameter_missing", "line_items"),
        ({"success_url": None}, "parameter_missing", "success_url"),
        ({"success_url": "javascript:alert(1)"}, "url_invalid", "success_url"),
        ({"cancel_url": "/packages"}, "url_invalid", "cancel_url"),
        ({"customer_email": "nobody"}, "email_invalid", "customer_email"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
        ({"ui_mode": "hosted"}, None, "ui_mode"),
        ({"ui_mode": "embedded_page"}, None, "ui_mode"),
        ({"mode": "subscription"}, None, "mode"),
        ({"customer": "cus_none"}, "resource_missing", "customer"),
        ({"expires_at": 12}, None, "expires_at"),
        ({"metadata": {"k" * 41: "v"}}, None, "metadata"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata"),
        (
            {"payment_intent_data": {"statement_descriptor": "X"}},
            None,
            "payment_intent_data[statement_descriptor]",
        ),
        (
            {"line_items": [{"price": "price_none", "quantity": 1}]},
            "resource_missing",
            "line_items[0][price]",
        ),
        ({"line_items": [{"quantity": 1}]}, "parameter_missing", "line_items[0][price]"),
        (
            {"line_items": [{"price": "price_none", "quantity": "many"}]},
            "parameter_invalid_integer",
            "line_items[0][quantity]",
        ),
    ],
)
def test_a_mistake_gets_stripes_error(
    sandbox: Sandbox,
    changes: dict[str, Any],
    code: str | None,
    param: str,
) -> None:
    client = new_client(sandbox, stripe_version="2026-10-28.endive")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        open_session(client, **changes)
    error = refused.value
    assert (error.http_status, error.code, error.param) == (400, code, param)
    assert error.request_id is not None
    assert error.request_id.startswith("req_")
    assert sandbox.objects("checkout.session") == []


@pytest.mark.parametrize(
    ("currency", "amount", "code"),
    [("usd", 49, "amount_too_small"), ("gbp", 29, "amount_too_small"), ("kwd", 1001, None)],
)
def test_an_amount_that_cannot_be_charged_is_refused(
    client: stripe.StripeClient, currency: str, amount: int, code: str | None
) -> None:
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Pack"}}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        open_session(client, line_items=[{"price_data": price, "quantity": 1}])
    assert refused.value.code == code


def test_an_older_version_of_the_api_takes_the_older_parameters(sandbox: Sandbox) -> None:
    older = new_client(sandbox, stripe_version="2025-09-30.clover")
    session = open_session(older, ui_mode="hosted", payment_method_types=["card"])
    assert session.ui_mode == "hosted"
    with pytest.raises(stripe.InvalidRequestError, match="ui_mode"):
        open_session(older, ui_mode="hosted_page")


def test_an_unknown_session_is_not_found(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.retrieve("cs_test_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_a_refused_session_leaves_no_product_behind(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    params: Any = session_params(
        line_items=[*session_params()["line_items"], {"price": "price_none", "quantity": 1}]
    )
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.create(params)
    assert sandbox.objects("product") == []
    assert sandbox.events() == []
