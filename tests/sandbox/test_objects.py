"""The objects have the fields that the installed library knows, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.sandbox.api_version import newest

from .conftest import new_client, open_session

# The sandbox writes the objects of this version; older libraries know fewer fields.
NEWEST = stripe.api_version >= "2026-10-28"

STRIPES_WORDS = {
    "session": ["checkout.session"],
    "paid session": ["checkout.session"],
    "debit on its way": ["checkout.session"],
    "debit": ["checkout.session"],
    "line item": ["item"],
    "payment intent": ["payment_intent"],
    "payment method": ["payment_method"],
    "webhook endpoint": ["webhook_endpoint"],
    "inquiry": ["dispute"],
    "held payment": ["payment_intent"],
}

Made = Callable[[stripe.StripeClient, Sandbox], Any]


def paid_session(client: stripe.StripeClient, sandbox: Sandbox) -> Any:
    id = open_session(client, customer_creation="always").id
    sandbox.pay(id)
    return client.v1.checkout.sessions.retrieve(id, {"expand": ["line_items", "payment_intent"]})


def charge(client: stripe.StripeClient, sandbox: Sandbox) -> Any:
    intent = paid_session(client, sandbox).payment_intent
    return client.v1.charges.retrieve(intent.latest_charge, {"expand": ["payment_method"]})


def refund(client: stripe.StripeClient, sandbox: Sandbox) -> Any:
    id = sandbox.refund(paid_session(client, sandbox).payment_intent.id, status="pending")["id"]
    sandbox.settle_refund(id, "failed")
    return client.v1.refunds.retrieve(
        id, {"expand": ["balance_transaction", "failure_balance_transaction", "charge"]}
    )


def dispute(client: stripe.StripeClient, sandbox: Sandbox) -> Any:
    id = sandbox.dispute(paid_session(client, sandbox).payment_intent.id)["id"]
    sandbox.close_dispute(id, "won")
    return client.v1.disputes.retrieve(id, {"expand": ["charge.balance_transaction"]})


def debited(client: stripe.StripeClient, sandbox: Sandbox, account: str, currency: str) -> Any:
    price = {"currency": currency, "unit_amount": 900, "product_data": {"name": "Pack"}}
    id = open_session(client, line_items=[{"price_data": price, "quantity": 1}]).id
    sandbox.pay(id, account)
    if currency == "eur":
        sandbox.settle_payment(id)
    return client.v1.checkout.sessions.retrieve(
        id, {"expand": ["payment_intent.latest_charge", "payment_intent.payment_method"]}
    )


MADE: dict[str, Made] = {
    "session": lambda client, sandbox: open_session(client),
    "paid session": paid_session,
    "line item": lambda client, sandbox: paid_session(client, sandbox).line_items.data[0],
    "price": lambda client, sandbox: paid_session(client, sandbox).line_items.data[0].price,
    "product": lambda client, sandbox: client.v1.products.create({"name": "x"}),
    "payment intent": lambda client, sandbox: paid_session(client, sandbox).payment_intent,
    "charge": charge,
    "debit on its way": lambda client, sandbox: debited(client, sandbox, "000123456789", "usd"),
    "debit": lambda client, sandbox: debited(client, sandbox, "AT611904300234573201", "eur"),
    "refund": refund,
    "dispute": dispute,
    "inquiry": lambda client, sandbox: client.v1.disputes.retrieve(
        sandbox.dispute(paid_session(client, sandbox).payment_intent.id, inquiry=True)["id"]
    ),
    "payment method": lambda client, sandbox: client.v1.payment_methods.retrieve(
        charge(client, sandbox).payment_method.id
    ),
    "customer": lambda client, sandbox: client.v1.customers.create({"email": "a@example.com"}),
    "event": lambda client, sandbox: (
        paid_session(client, sandbox) and client.v1.events.list().data[0]
    ),
    "balance": lambda client, sandbox: client.v1.balance.retrieve(),
    "account": lambda client, sandbox: client.v1.accounts.retrieve_current(),
    "held payment": lambda client, sandbox: client.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "capture_method": "manual",
            "automatic_payment_methods": {"enabled": True},
            "expand": ["latest_charge.refunds"],
        }
    ),
    "webhook endpoint": lambda client, sandbox: client.v1.webhook_endpoints.create(
        {"url": "http://localhost/", "enabled_events": ["*"]}
    ),
}


def check(found: Any, path: str) -> list[str]:
    """Return what is wrong with an object and the objects in it."""
    if isinstance(found, list):
        return [problem for item in found for problem in check(item, f"{path}[]")]
    if not isinstance(found, stripe.StripeObject):
        return []
    values = {key: found[key] for key in found.to_dict(recursive=False)}
    hints = {
        name: str(hint) for name, hint in type(found).__annotations__.items() if name.islower()
    }
    problems = []
    # Free maps of strings, such as metadata, know no fields.
    if "_field_encodings" not in hints and hints and not isinstance(found, stripe.ListObject):
        if NEWEST:
            problems += [f"{path}.{name} isn't Stripe's" for name in values.keys() - hints.keys()]
        required = {name for name, hint in hints.items() if not may_be_absent(hint)}
        problems += [f"{path}.{name} is missing" for name in required - values.keys()]
    for key, value in values.items():
        problems += check(value, f"{path}.{key}")
    return problems


def may_be_absent(hint: str) -> bool:
    return "Optional[" in hint or "NoneType" in hint or "NotRequired" in hint


@pytest.mark.parametrize("kind", MADE)
def test_fields_are_those_of_the_library(
    client: stripe.StripeClient, sandbox: Sandbox, kind: str
) -> None:
    made = MADE[kind](client, sandbox)
    assert check(made, kind) == []
    assert made.to_dict().get("livemode", False) is False
    assert made.object in (kind, *STRIPES_WORDS.get(kind, ()))


def test_the_version_is_the_librarys(sandbox: Sandbox) -> None:
    assert newest() == stripe.api_version
    assert new_client(sandbox).v1.events.list().data == []
