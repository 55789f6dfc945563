"""A host with a ledger whose Stripe is the sandbox, and a browser without JavaScript."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests
from werkzeug.serving import make_server

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host, make_host


@dataclass
class Shop:
    """Sells the guide's packages; the sandbox's webhooks reach it over HTTP."""

    host: Host
    sandbox: Sandbox

    def open(self) -> str:
        """Begin a purchase; return its checkout session's id."""
        answer = self.host.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
        assert answer.status_code == 201, answer.text
        return str(answer.get_json()["session_id"])

    def buy(self, number: str = "4242424242424242") -> str:
        """Buy a package; return its payment intent's id."""
        id = self.open()
        self.sandbox.pay(id, number)
        return str(self.sandbox.session(id)["payment_intent"])

    def assert_ledger(self, *expected: int) -> None:
        """Check what the host has booked, and that payments explain all of it."""
        assert self.host.ledger() == list(expected)
        self.host.assert_exact()


class Tab:
    """A browser's tab, which doesn't follow redirects by itself."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer = requests.get(url, timeout=30, allow_redirects=False)

    @property
    def text(self) -> str:
        return html.unescape(self.answer.text)

    def post(self, path: str = "", **fields: str) -> requests.Response:
        token = re.search(r'name="token" value="([^"]+)"', self.answer.text)
        data = {"token": token[1] if token else "", **fields}
        url = self.url + path
        self.answer = requests.post(url, data=data, timeout=30, allow_redirects=False)
        return self.answer


@pytest.fixture
def shop(sandbox: Sandbox, new_database: Callable[[str], str]) -> Iterator[Shop]:
    host = make_host(new_database("sqlite"), STRIPE_CREDITS_API_BASE=sandbox.url)
    host.load_packages()
    server = make_server("127.0.0.1", 0, host.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    webhook = f"http://127.0.0.1:{server.server_port}{PREFIX}/webhook"
    sandbox.register_webhook(webhook, secret=host.webhook_secret)
    yield Shop(host, sandbox)
    server.shutdown()
    thread.join()
    server.server_close()
