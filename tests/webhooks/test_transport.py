"""The endpoint as seen by HTTP: methods, sizes, encodings, and hosts that come first."""

from __future__ import annotations

import gzip
import itertools
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import request
from flask_wtf import CSRFProtect
from werkzeug.serving import make_server

from flask_stripe_credits.web.webhook import LARGEST_EVENT

from ..hosts import PREFIX, Host, make_host
from ..payloads import encode, sign
from .hostile import nothing_written, post

PATH = f"{PREFIX}/webhook"


def _good(host: Host, user: str = "alice") -> bytes:
    return encode(host.paid_event(host.add_purchase(user_id=user)))


class TestMethods:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
    def test_E23_other_methods_are_not_allowed(self, shared_host: Host, method: str) -> None:
        body = _good(shared_host)
        header = {"Stripe-Signature": sign(body, shared_host.webhook_secret)}
        with nothing_written(shared_host):
            answer = shared_host.client.open(PATH, method=method, data=body, headers=header)
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]
        assert answer.mimetype == "application/problem+json"

    def test_E23_OPTIONS_tells_the_methods_and_nothing_else(self, shared_host: Host) -> None:
        answer = shared_host.client.options(PATH)
        assert answer.status_code in (200, 204)
        assert answer.data == b""
        assert {method.strip() for method in answer.headers["Allow"].split(",")} == {
            "OPTIONS",
            "POST",
        }

    @pytest.mark.parametrize("method", ["POST", "OPTIONS", "GET"])
    def test_E24_no_other_origin_is_let_in(self, shared_host: Host, method: str) -> None:
        answer = shared_host.client.open(
            PATH, method=method, headers={"Origin": "https://evil.test"}
        )
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]

    def test_E22_a_slash_at_the_end_is_no_redirect(self, shared_host: Host, user: str) -> None:
        body = _good(shared_host, user)
        header = sign(body, shared_host.webhook_secret)
        answer = shared_host.client.post(
            PATH + "/", data=body, headers={"Stripe-Signature": header}
        )
        assert answer.status_code == 200
        assert shared_host.ledger(user) == [1000]

    def test_answers_are_never_cached(self, shared_host: Host, user: str) -> None:
        for answer in (post(shared_host, b"", None), shared_host.post_body(_good(shared_host))):
            assert answer.headers["Cache-Control"] == "no-store"


class TestContent:
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json; charset=utf-8",
            "text/plain",
            "application/octet-stream",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "nonsense",
            "",
        ],
    )
    def test_E16_the_content_type_doesnt_matter(
        self, shared_host: Host, user: str, content_type: str
    ) -> None:
        body = _good(shared_host, user)
        header = sign(body, shared_host.webhook_secret)
        assert post(shared_host, body, header, content_type=content_type).status_code == 200
        assert shared_host.ledger(user) == [1000]

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity"])
    def test_E16_encoded_bodies_are_refused(self, shared_host: Host, encoding: str) -> None:
        body = _good(shared_host)
        squeezed = gzip.compress(body)
        with nothing_written(shared_host):
            for sent, signed in itertools.product((body, squeezed), repeat=2):
                answer = post(
                    shared_host,
                    sent,
                    sign(signed, shared_host.webhook_secret),
                    headers={"Content-Encoding": encoding},
                )
                assert answer.status_code == 415
                assert answer.mimetype == "application/problem+json"

    @pytest.mark.parametrize("size", [LARGEST_EVENT + 1, 12 * 1024 * 1024])
    def test_E15_an_announced_length_is_refused_before_it_is_read(
        self, shared_host: Host, size: int
    ) -> None:
        body = b" " * size
        with nothing_written(shared_host):
            answer = post(shared_host, body, sign(body, shared_host.webhook_secret))
        assert answer.status_code == 413
        assert answer.mimetype == "application/problem+json"

    def test_E15_the_largest_event_is_still_taken(self, shared_host: Host, user: str) -> None:
        body = _good(shared_host, user)
        assert shared_host.post_body(body.ljust(LARGEST_EVENT)).status_code == 200
        assert shared_host.ledger(user) == [1000]


class TestRealServer:
    """Chunked bodies have no length; Flask's test client can't send any."""

    @contextmanager
    def serving(self, host: Host) -> Iterator[tuple[str, int]]:
        server = make_server("127.0.0.1", 0, host.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield "127.0.0.1", server.server_port
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()

    def send(
        self, address: tuple[str, int], body: bytes, signature: str, chunk: int = 8_000
    ) -> int:
        with socket.create_connection(address, timeout=20) as connection:
            head = (
                f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                f"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
                f"Stripe-Signature: {signature}\r\n\r\n"
            )
            connection.sendall(head.encode())
            for start in range(0, len(body), chunk):
                part = body[start : start + chunk]
                connection.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
            status = connection.makefile("rb").readline()
        found = re.match(rb"HTTP/1.. (\d{3})", status)
        assert found is not None, status
        return int(found[1])

    def test_E15_a_chunked_body_is_read_up_to_the_limit_only(
        self, shared_host: Host, user: str
    ) -> None:
        small = _good(shared_host, user)
        large = _good(shared_host, user).ljust(LARGEST_EVENT + 1)
        with self.serving(shared_host) as address:
            sign_it = sign(large, shared_host.webhook_secret)
            assert self.send(address, large, sign_it, chunk=len(large)) == 413
            assert shared_host.ledger(user) == []
            assert self.send(address, small, sign(small, shared_host.webhook_secret)) == 200
            assert self.send(address, small, "t=1,v1=0") == 400
        assert shared_host.ledger(user) == [1000]

    @pytest.mark.parametrize("read", ["get_data", "get_json"])
    def test_E17_a_chunked_body_that_the_host_read_first_is_still_there(
        self, sqlite_host: Host, read: str
    ) -> None:
        sqlite_host.app.before_request(lambda: getattr(request, read)() and None)
        body = _good(sqlite_host)
        with self.serving(sqlite_host) as address:
            assert self.send(address, body, sign(body, sqlite_host.webhook_secret)) == 200
        assert sqlite_host.ledger() == [1000]

    def test_E04_the_header_as_a_real_server_reads_it(self, shared_host: Host, user: str) -> None:
        body = _good(shared_host, user)
        good = sign(body, shared_host.webhook_secret)
        with self.serving(shared_host) as address, nothing_written(shared_host):
            for header in ("", "é=1", good.replace("v1=", "v1=é"), "x" * 5_000):
                assert self.send(address, body, header) in (400, 413)


class TestHostsThatComeFirst:
    @pytest.mark.parametrize(
        "read",
        [
            lambda: request.get_json(silent=True),
            lambda: request.get_json(),
            lambda: request.get_data(),
            lambda: request.data,
            lambda: request.form,
            lambda: request.values,
            lambda: request.files,
            lambda: request.json,
        ],
        ids=["get_json silent", "get_json", "get_data", "data", "form", "values", "files", "json"],
    )
    def test_E17_a_before_request_that_reads_the_body_costs_nothing(
        self, sqlite_host: Host, read: Callable[[], object]
    ) -> None:
        @sqlite_host.app.before_request
        def look() -> None:
            read()

        assert sqlite_host.post_body(_good(sqlite_host)).status_code == 200
        assert sqlite_host.ledger() == [1000]

    @pytest.mark.parametrize(
        ("read", "content_type"),
        [
            (lambda: request.form, "application/x-www-form-urlencoded"),
            (lambda: request.stream.read(), "application/json"),
            (lambda: request.get_data(cache=False), "application/json"),
        ],
        ids=["form of a form", "stream", "get_data without cache"],
    )
    def test_E17_a_body_that_the_host_used_up_is_told_clearly(
        self,
        sqlite_host: Host,
        caplog: pytest.LogCaptureFixture,
        read: Callable[[], object],
        content_type: str,
    ) -> None:
        @sqlite_host.app.before_request
        def use_up() -> None:
            read()

        body = _good(sqlite_host)
        header = sign(body, sqlite_host.webhook_secret)
        with nothing_written(sqlite_host), caplog.at_level(logging.ERROR):
            assert post(sqlite_host, body, header, content_type=content_type).status_code == 400
        assert "was read before us" in caplog.text
        assert "before_request" in caplog.text

    @pytest.mark.parametrize("protect_first", [True, False])
    def test_E21_a_hosts_CSRF_protection_leaves_the_webhook_alone(
        self, new_database: Callable[[str], str], protect_first: bool
    ) -> None:
        def protect(host: Host) -> None:
            CSRFProtect(host.app)

        host = make_host(new_database("sqlite"), before_init=protect if protect_first else None)
        if not protect_first:
            protect(host)

        @host.app.post("/own")
        def own() -> str:
            return ""

        assert host.client.post("/own").status_code == 400, "the host's own views are protected"
        assert host.post_body(_good(host)).status_code == 200
        assert host.ledger() == [1000]
        assert post(host, _good(host), None).status_code == 400

    def test_E15_a_hosts_own_limit_of_bodies_doesnt_keep_events_out(
        self, new_database: Callable[[str], str]
    ) -> None:
        host = make_host(new_database("sqlite"), MAX_CONTENT_LENGTH=100)
        assert host.post_body(_good(host)).status_code == 200
        assert host.ledger() == [1000]
