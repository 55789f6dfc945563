"""One of everything: every call of the sandbox, with every kind of object that it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import requests
import stripe
from flask import Response, request

from flask_stripe_credits.sandbox import Sandbox

from .conftest import new_client, new_key, session_params

_SHIPPING = {"name": "A Buyer", "address": {"line1": "1 Some Street", "country": "US"}}
_BILLING = {"name": "A Buyer", "email": "a@example.com", "address": {"country": "US"}}
_IBAN = "AT611904300234573201"

Json = dict[str, Any]


@dataclass
class Seen:
    """What a tour was answered, and the events that told of it.

    :ivar answers: method, path, status and body of each.
    """

    answers: list[tuple[str, str, int, Json]] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)

    @property
    def objects(self) -> Iterator[Json]:
        """Every object, those in lists and events too."""
        for _, _, status, body in self.answers:
            if status == 200:
                yield from body["data"] if body["object"] == "list" else [body]
        for event in self.events:
            yield event["data"]["object"]


@cache
def seen() -> Seen:
    """Return what a tour of a new sandbox brings; taken once in each process."""
    seen = Seen()
    with pytest.MonkeyPatch.context() as patch, Sandbox() as sandbox:
        patch.setattr(stripe, "enable_telemetry", False)

        @sandbox.app.after_request
        def remember(response: Response) -> Response:
            rule = request.url_rule
            if rule is not None and rule.rule.startswith("/v1/"):
                answer = (request.method, rule.rule, response.status_code, response.get_json())
                seen.answers.append(answer)
            return response

        Tour(sandbox.start(deliver=False)).take()
        seen.events = sandbox.events()
    return seen


class Tour:
    """Makes, changes, lists and removes everything by API.

    :param sandbox: one that listens.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.client: Any = new_client(sandbox).v1

    def take(self) -> None:
        for part in (
            self.catalog,
            self.endpoints,
            self.customers,
            self.sessions,
            self.free_and_expired,
            self.debits,
            self.intents,
            self.refunds,
            self.disputes,
            self.mistakes,
            self.lists,
        ):
            part()

    def call(self, method: str, path: str, *, key: str | None = None, **params: Any) -> Any:
        """Call what the library has no method for."""
        response = requests.request(
            method,
            self.sandbox.url + path,
            params=params if method == "GET" else None,
            data=params if method == "POST" else None,
            headers={"Authorization": f"Bearer {key or new_key()}"},
            timeout=30,
        )
        return response.json()

    def refused(self, method: Any, *arguments: Any) -> None:
        try:
            method(*arguments)
        except stripe.StripeError:
            return
        raise AssertionError(f"{method} wasn't refused")

    def catalog(self) -> None:
        products, prices = self.client.products, self.client.prices
        full = {"name": "Pack", "description": "1,000 credits", "metadata": {"a": "b"}}
        product = products.create({**full, "url": "https://example.com", "unit_label": "pack"})
        products.retrieve(product.id)
        products.update(product.id, {"name": "Starter Pack"})
        price = {"product": product.id, "currency": "usd", "unit_amount": 1000}
        made = prices.create({**price, "lookup_key": "starter", "nickname": "Starter"})
        prices.retrieve(made.id)
        prices.update(made.id, {"metadata": {"a": "b"}})
        products.delete(products.create({"name": "Nothing"}).id)
        self.price = made.id

    def endpoints(self) -> None:
        endpoints = self.client.webhook_endpoints
        given = {"enabled_events": ["*"], "api_version": "2025-09-30.clover", "description": "x"}
        made = endpoints.create({**given, "url": "http://127.0.0.1:9/hook"})
        endpoints.retrieve(made.id)
        endpoints.update(made.id, {"disabled": True})
        endpoints.list()
        endpoints.delete(made.id)

    def customers(self) -> None:
        customers = self.client.customers
        made = customers.create({**_BILLING, "phone": "123", "description": "x"})
        customers.retrieve(made.id)
        customers.update(made.id, {"metadata": {"a": "b"}})
        customers.delete(customers.create({}).id)
        self.customer = made.id

    def open(self, **changes: Any) -> Any:
        return self.client.checkout.sessions.create(session_params(**changes))

    def sessions(self) -> None:
        rich = {
            "adaptive_pricing": {"enabled": True},
            "allow_promotion_codes": True,
            "automatic_tax": {"enabled": True},
            "billing_address_collection": "required",
            "client_reference_id": "p1",
            "consent_collection": {"terms_of_service": "required"},
            "custom_text": {"submit": {"message": "We mean it."}},
            "customer_creation": "always",
            "customer_email": "a@example.com",
            "invoice_creation": {"enabled": True, "invoice_data": {"footer": "Thanks"}},
            "line_items": [{"price": self.price, "quantity": 2}],
            "locale": "auto",
            "payment_intent_data": {"shipping": _SHIPPING, "setup_future_usage": "off_session"},
            "phone_number_collection": {"enabled": True},
            "submit_type": "pay",
            "tax_id_collection": {"enabled": True},
        }
        self.client.checkout.sessions.retrieve(self.open(**rich).id)
        session = self.open(
            customer=self.customer, **{k: rich[k] for k in ("payment_intent_data",)}
        )
        expand = {"expand": ["line_items.data.price.product", "customer"]}
        self.client.checkout.sessions.retrieve(session.id, expand)
        self.client.checkout.sessions.line_items.list(session.id)
        self.call("GET", f"/v1/payment_pages/{session.id}")
        card = {"card[token]": "tok_visa", "billing_details[email]": "a@example.com"}
        method = self.call("POST", "/v1/payment_methods", type="card", **card)
        self.client.payment_methods.retrieve(method["id"])
        confirm = f"/v1/payment_pages/{session.id}/confirm"
        self.call("POST", confirm, payment_method="pm_card_chargeDeclined")
        self.call("POST", confirm, payment_method="pm_card_threeDSecure2Required")
        self.client.payment_intents.list()
        self.call("POST", confirm, sandbox_authentication="fail")
        self.call("POST", confirm, payment_method=method["id"])
        self.client.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
        event = self.sandbox.events("checkout.session.completed")[0]["id"]
        self.client.events.retrieve(event)
        self.call("POST", f"/v1/events/{event}/retry")

    def free_and_expired(self) -> None:
        price = {"currency": "usd", "unit_amount": 0, "product_data": {"name": "Free"}}
        free = self.open(line_items=[{"price_data": price, "quantity": 1}])
        self.call("POST", f"/v1/payment_pages/{free.id}/confirm")
        abandoned = self.open()
        self.sandbox.pay(abandoned.id, "4000000000000002")
        self.client.checkout.sessions.expire(abandoned.id)

    def debits(self) -> None:
        price = {"currency": "eur", "unit_amount": 1000, "product_data": {"name": "Pack"}}
        euros = {"line_items": [{"price_data": price, "quantity": 1}]}
        for changes, account, succeeded in (
            ({}, "000123456789", True),
            (euros, _IBAN, True),
            (euros, _IBAN, False),
        ):
            session = self.open(**changes)
            self.sandbox.pay(session.id, account)
            self.sandbox.settle_payment(session.id, succeeded=succeeded)
        self.client.payment_methods.create(
            {"type": "sepa_debit", "sepa_debit": {"iban": _IBAN}, "billing_details": _BILLING}
        )

    def pay(self, card: str = "pm_card_visa", **changes: Any) -> Any:
        given = {"amount": 1000, "currency": "usd", "payment_method": card, "confirm": True}
        return self.client.payment_intents.create({**given, **changes})

    def intents(self) -> None:
        intents = self.client.payment_intents
        empty = intents.create({"amount": 1000, "currency": "usd", "shipping": _SHIPPING})
        intents.update(empty.id, {"metadata": {"a": "b"}})
        intents.confirm(empty.id, {"payment_method": "pm_card_visa"})
        expand = ["latest_charge.balance_transaction", "latest_charge.refunds", "payment_method"]
        intents.retrieve(empty.id, {"expand": expand})
        intents.capture(self.pay(capture_method="manual").id)
        intents.cancel(self.pay("pm_card_threeDSecure2Required").id)
        away = {"off_session": True, "payment_method": "pm_card_threeDSecure2Required"}
        self.refused(intents.create, {"amount": 99, "currency": "usd", "confirm": True, **away})
        self.paid = empty

    def refunds(self) -> None:
        refunds, charge = self.client.refunds, self.client.payment_intents.retrieve(self.paid.id)
        part = refunds.create({"payment_intent": self.paid.id, "amount": 100})
        refunds.retrieve(part.id, {"expand": ["charge", "balance_transaction.source"]})
        refunds.update(part.id, {"metadata": {"a": "b"}})
        self.client.charges.retrieve(charge.latest_charge)
        for card in ("pm_card_pendingRefund", "pm_card_refundFail"):
            refunds.create({"payment_intent": self.pay(card).id})
        asked = self.sandbox.refund(self.pay().id, status="requires_action")
        refunds.cancel(asked["id"])

    def disputes(self) -> None:
        disputes = self.client.disputes
        self.pay("pm_card_createDispute")
        self.pay("pm_card_createDisputeInquiry")
        inquiry, dispute = disputes.list().data
        disputes.update(dispute.id, {"evidence": {"product_description": "credits"}})
        self.sandbox.close_dispute(dispute.id, "won")
        disputes.retrieve(dispute.id, {"expand": ["charge", "payment_intent"]})
        disputes.close(inquiry.id)

    def mistakes(self) -> None:
        client = self.client
        self.refused(client.charges.retrieve, "ch_none")
        self.refused(client.products.create, {"name": "x", "colour": "red"})
        self.refused(client.products.create, {})
        self.refused(client.prices.create, {"currency": "usd", "unit_amount": "many"})
        self.refused(client.refunds.create, {"payment_intent": self.paid.id, "amount": 10**6})
        self.refused(client.checkout.sessions.create, session_params(expires_at=1))
        self.call("GET", "/v1/balance", key="sk_live_" + "x" * 8)
        client.products.create({"name": "x"}, {"idempotency_key": "one"})
        self.refused(client.products.create, {"name": "y"}, {"idempotency_key": "one"})

    def lists(self) -> None:
        client = self.client
        client.balance.retrieve()
        client.accounts.retrieve_current()
        moved = client.balance_transactions.list({"limit": 100}).data[0]
        client.balance_transactions.retrieve(moved.id)
        for listed in (
            client.charges,
            client.checkout.sessions,
            client.customers,
            client.disputes,
            client.events,
            client.payment_intents,
            client.prices,
            client.products,
            client.refunds,
        ):
            listed.list({"limit": 100})
        self.call("GET", "/v1/payment_methods")
