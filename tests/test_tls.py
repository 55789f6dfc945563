"""Stripe has to show a certificate that somebody vouches for."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import stripe

from flask_stripe_credits.errors import GatewayRejected, GatewayUnavailable

from .hosts import make_host

OPENSSL = shutil.which("openssl")


@dataclass
class Impostor:
    """A server whose certificate is its own, and what it was asked."""

    url: str
    certificate: Path
    asked: list[str]


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Impostor]:
    if OPENSSL is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = f"{OPENSSL} req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    options = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    subprocess.run([*made.split(), *options], check=True, capture_output=True)
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers['Authorization']}")
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up is what is wanted here."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Impostor(f"https://localhost:{server.server_address[1]}", certificate, asked)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_key_is_sent(
    impostor: Impostor,
    sqlite_url: str,
    quick_retries: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = make_host(sqlite_url, tables=False, STRIPE_CREDITS_API_BASE=impostor.url)
    gateway = host.state.gateway
    with host.app.app_context():
        with pytest.raises(GatewayUnavailable):
            gateway.retrieve_checkout_session("cs_test_1")
        assert impostor.asked == []
        # It was the certificate: once somebody vouches for it, the same server is asked.
        monkeypatch.setattr(stripe, "ca_bundle_path", str(impostor.certificate))
        with pytest.raises(GatewayRejected):
            gateway.retrieve_checkout_session("cs_test_1")
    (asked,) = impostor.asked
    assert host.app.config["STRIPE_SECRET_KEY"] in asked
