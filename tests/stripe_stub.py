"""Stripe for the tests: the sandbox on loopback, and a stub for what no Stripe would answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe as stripe_library

from flask_stripe_credits.gateway import limits
from flask_stripe_credits.sandbox import Sandbox

from .hosts import Host, make_host

CREATE = "POST /v1/checkout/sessions"
RETRIEVE = "GET /v1/checkout/sessions/*"
EXPIRE = "POST /v1/checkout/sessions/*/expire"


@dataclass
class StripeStub:
    """A server that gives every request the same answer, and remembers them.

    :ivar requests: method and path, headers and body of each.
    :ivar ports: the client's port of each, which tells its connections apart.
    """

    url: str
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    def answer(self, document: Any, status: int = 200, **headers: str) -> None:
        """Answer ``document``: bytes as they are, everything else as JSON."""
        self.status = status
        self.body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.headers = headers


def _handler(stub: StripeStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            stub.requests.append((f"{self.command} {self.path}", dict(self.headers), body))
            stub.ports.append(self.client_address[1])
            self.send_response_only(stub.status)
            for name, value in stub.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(stub.body)))
            self.end_headers()
            self.wfile.write(stub.body)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@pytest.fixture
def stub() -> Iterator[StripeStub]:
    found = StripeStub("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def _running_sandbox() -> Iterator[Sandbox]:
    with Sandbox().start(deliver=False) as sandbox:
        yield sandbox


@pytest.fixture
def stripe(_running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox that listens, without faults and webhooks. Shared: look only at your own."""
    yield _running_sandbox
    _running_sandbox.faults.clear()
    for endpoint in _running_sandbox.store.find("webhook_endpoint"):
        _running_sandbox.store.remove(endpoint["id"])
    ahead = _running_sandbox.clock.time() - time.time()
    assert ahead < 1, "whoever puts the clock forward needs a sandbox of their own"


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask Stripe again at once, and wait for an answer for as long as a busy machine takes."""
    monkeypatch.setattr(limits, "CONNECT_TIMEOUT_SECONDS", 20.0)
    monkeypatch.setattr(limits, "READ_TIMEOUT_SECONDS", 20.0)
    monkeypatch.setattr(limits, "IMPATIENT_TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(limits, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(stripe_library, "api_key", None)


@pytest.fixture
def give_up_soon(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function after which no answer of Stripe is waited for for long: for those that hang."""

    def shorten() -> None:
        monkeypatch.setattr(limits, "CONNECT_TIMEOUT_SECONDS", 1.0)
        monkeypatch.setattr(limits, "READ_TIMEOUT_SECONDS", 0.4)
        monkeypatch.setattr(limits, "IMPATIENT_TIMEOUT_SECONDS", 0.6)

    return shorten


NewShop = Callable[..., Host]


@pytest.fixture
def new_shop(sqlite_directory: Path, stripe: Sandbox) -> NewShop:
    """A function that makes a host with the guide's packages, selling through the sandbox.

    Takes the database's URL (None for a SQLite file of its own) and settings.
    """
    made: list[Host] = []

    def create(database_url: str | None = None, **config: Any) -> Host:
        url = database_url or f"sqlite:///{sqlite_directory / f'shop{len(made)}.sqlite'}"
        host = make_host(url, **{"STRIPE_CREDITS_API_BASE": stripe.url} | config)
        made.append(host)
        host.load_packages()
        return host

    return create


@pytest.fixture
def shop(database_url: str, new_shop: NewShop, quick_retries: None) -> Host:
    """A host with the guide's packages, once on SQLite and once on PostgreSQL."""
    return new_shop(database_url)


@pytest.fixture
def small_shop(new_shop: NewShop, quick_retries: None) -> Host:
    """A host with the guide's packages on SQLite only: for what no database takes part in."""
    return new_shop()
