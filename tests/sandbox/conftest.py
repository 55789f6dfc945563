from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from flask_stripe_credits.sandbox import Sandbox

from .receiver import Receiver
from .shop import shop

__all__ = ["shop"]


def new_key() -> str:
    return "sk_test_" + secrets.token_hex(12)


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would otherwise write a file into the home directory."""
    monkeypatch.setattr(stripe, "enable_telemetry", False)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox that listens, and delivers when a test asks for it."""
    with Sandbox() as sandbox:
        yield sandbox.start(deliver=False)


@pytest.fixture
def client(sandbox: Sandbox) -> stripe.StripeClient:
    return new_client(sandbox)


def new_client(sandbox: Sandbox, **options: Any) -> stripe.StripeClient:
    return stripe.StripeClient(new_key(), base_addresses={"api": sandbox.url}, **options)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def session_params(**changes: Any) -> dict[str, Any]:
    """Parameters for a session that sells a pack for ten dollars."""
    price = {
        "currency": "usd",
        "unit_amount": 1000,
        "product_data": {"name": "Starter Pack", "description": "1,000 credits"},
    }
    params = {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "success_url": "http://127.0.0.1:5000/return?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:5000/packages",
        "metadata": {"purchase_id": "p1"},
        "payment_intent_data": {"metadata": {"purchase_id": "p1"}},
    }
    return {**params, **changes}


def open_session(client: stripe.StripeClient, **changes: Any) -> stripe.checkout.Session:
    params: Any = session_params(**changes)
    return client.v1.checkout.sessions.create(params)
