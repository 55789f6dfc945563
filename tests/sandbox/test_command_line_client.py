"""Stripe's own command-line client drives the sandbox, and a real host hears of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Response, request
from werkzeug.serving import make_server

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host, make_host
from .command_line_client import CommandLineClient, installed

pytestmark = [pytest.mark.outside, pytest.mark.xdist_group("command_line_client")]

_PAID = ["charge.succeeded", "payment_intent.succeeded"]
_CATALOG = ["product.created", "price.created"]
_ORDERED = [
    "payment_intent.created",
    "charge.pending",
    "payment_intent.processing",
    "checkout.session.completed",
]
# What each trigger has to tell, in this order.
TRIGGERS = {
    "checkout.session.completed": [
        *_CATALOG,
        "payment_intent.created",
        *_PAID,
        "checkout.session.completed",
    ],
    "checkout.session.expired": [*_CATALOG, "checkout.session.expired"],
    "checkout.session.async_payment_succeeded": [
        *_CATALOG,
        *_ORDERED,
        *_PAID,
        "checkout.session.async_payment_succeeded",
    ],
    "checkout.session.async_payment_failed": [
        *_CATALOG,
        *_ORDERED,
        "charge.failed",
        "payment_intent.payment_failed",
        "checkout.session.async_payment_failed",
    ],
    "charge.refunded": ["payment_intent.created", *_PAID, "refund.created", "charge.refunded"],
    "charge.dispute.created": ["payment_intent.created", *_PAID, "charge.dispute.created"],
    "charge.dispute.closed": [
        "payment_intent.created",
        *_PAID,
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
    ],
    "payment_intent.succeeded": ["payment_intent.created", *_PAID],
    "payment_intent.payment_failed": [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ],
}


class Shop:
    """A host behind a real server that sells through the sandbox.

    :ivar heard: type and verdict of every webhook that it answered with 200, in order.
    """

    def __init__(self, database_url: str, sandbox: Sandbox) -> None:
        self.heard: list[tuple[str, str]] = []
        self._sandbox = sandbox
        self.host: Host = make_host(database_url, STRIPE_CREDITS_API_BASE=sandbox.url)
        self.host.load_packages()
        self.host.app.after_request(self._remember)
        self._server = make_server("127.0.0.1", 0, self.host.app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        sandbox.register_webhook(
            f"http://127.0.0.1:{self._server.server_port}{PREFIX}/webhook",
            secret=self.host.webhook_secret,
        )

    def _remember(self, response: Response) -> Response:
        if request.path == f"{PREFIX}/webhook" and response.status_code == 200:
            told = (json.loads(request.get_data())["type"], response.get_json()["verdict"])
            self.heard.append(told)
        return response

    def hear(self) -> list[tuple[str, str]]:
        """Have everything delivered that happened; return what is new."""
        before = len(self.heard)
        self._sandbox.deliver_pending()
        assert {delivery.state for delivery in self._sandbox.deliveries()} <= {"delivered"}
        return self.heard[before:]

    def buy(self) -> str:
        """Open a checkout as a buyer does; return the session's id."""
        bought = self.host.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
        assert bought.status_code == 201, bought.text
        return str((bought.json or {})["session_id"])

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def quick_banks() -> Iterator[Sandbox]:
    """A sandbox where banks answer at once, and events go out when a test asks for it."""
    with Sandbox(settle_after_seconds=0) as sandbox:
        yield sandbox.start(deliver=False)


@pytest.fixture
def shop(quick_banks: Sandbox, new_database: Callable[[str], str]) -> Iterator[Shop]:
    shop = Shop(new_database("sqlite"), quick_banks)
    yield shop
    shop.stop()


@pytest.fixture
def stripe(quick_banks: Sandbox, tmp_path: Path) -> CommandLineClient:
    return CommandLineClient(installed(), quick_banks, tmp_path)


def test_every_trigger_ends_in_its_events_and_in_no_credits(
    stripe: CommandLineClient, shop: Shop
) -> None:
    for trigger, expected in TRIGGERS.items():
        stripe("trigger", trigger)
        heard = shop.hear()
        assert [type for type, _ in heard] == expected, trigger
        # These payments are none of the host's, so it has nothing to do with them.
        verdicts = {verdict for type, verdict in heard if type.startswith("checkout.session.")}
        assert verdicts <= {"ignored"}, trigger
        assert {verdict for _, verdict in heard} <= {"ignored", "kept"}, trigger
    assert shop.host.purchases() == shop.host.grants() == shop.host.ledger() == []


def test_a_whole_purchase_and_its_refund(
    stripe: CommandLineClient, shop: Shop, quick_banks: Sandbox
) -> None:
    session = shop.buy()
    stripe.fixtures(
        {
            "name": "method",
            "path": "/v1/payment_methods",
            "method": "post",
            "params": {"type": "card", "card": {"token": "tok_visa"}},
        },
        {
            "name": "paid",
            "path": f"/v1/payment_pages/{session}/confirm",
            "method": "post",
            "params": {"payment_method": "${method:id}", "expected_amount": 1000},
        },
    )
    assert ("checkout.session.completed", "handled") in shop.hear()
    assert shop.host.ledger() == [1000]
    (event,) = quick_banks.events("checkout.session.completed")
    assert stripe.object("events", "resend", event["id"])["id"] == event["id"]
    assert [type for type, _ in shop.hear()] == ["checkout.session.completed"]
    assert shop.host.ledger() == [1000]
    intent = quick_banks.session(session)["payment_intent"]
    refund = stripe.object("refunds", "create", "--payment-intent", intent, "--amount", "500")
    assert refund["amount"] == 500
    shop.hear()
    assert shop.host.ledger() == [1000, -500]


def test_products_and_sessions_are_made(
    stripe: CommandLineClient, shop: Shop, quick_banks: Sandbox
) -> None:
    product = stripe.object("products", "create", "--name", "Pack", "-d", "metadata[a]=b")
    assert (product["name"], product["metadata"]) == ("Pack", {"a": "b"})
    amount = ("--currency", "usd", "--unit-amount", "1000")
    price = stripe.object("prices", "create", "--product", product["id"], *amount)
    session = stripe.object(
        *("checkout", "sessions", "create", "--mode", "payment"),
        *("--success-url", "http://127.0.0.1:5000/return"),
        *("-d", f"line_items[0][price]={price['id']}", "-d", "line_items[0][quantity]=2"),
    )
    assert quick_banks.session(session["id"])["amount_total"] == 2000
    assert shop.hear() == [("product.created", "ignored"), ("price.created", "ignored")]
    events: Any = stripe.object("events", "list", "--limit", "1")
    assert [event["type"] for event in events["data"]] == ["price.created"]
    (endpoint,) = quick_banks.objects("webhook_endpoint")
    again = ("events", "resend", events["data"][0]["id"], "--webhook-endpoint", endpoint["id"])
    assert stripe.object(*again)["type"] == "price.created"
    assert shop.hear() == [("price.created", "ignored")]
