"""Whatever becomes of a request for a static file of ours, no file is left open."""

from __future__ import annotations

import gc
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from flask import Flask

from flask_stripe_credits.sandbox import Sandbox
from tests.hosts import make_host
from tests.serving import serving

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
SANDBOX = ("/assets/base.css", "/assets/checkout.js", "/assets/icon.svg")
DASHBOARD = ("/dashboard/assets/dashboard.css",)
HOST = ("/credits/static/pages.css", "/credits/static/dashboard.css", "/credits/static/pages.js")


class Held:
    """WSGI middleware that holds each answer between its last byte and its end."""

    def __init__(self, app: Flask) -> None:
        self._app = app.wsgi_app
        self.sent = threading.Event()
        self.go_on = threading.Event()
        self.ended = threading.Event()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self._answer: Any = self._app(environ, start_response)
        return self

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer
        self.sent.set()
        assert self.go_on.wait(30)
        # The server loses its last reference to the answer after this thread's work.
        threading.Thread(target=self._forget, args=[threading.current_thread()]).start()

    def close(self) -> None:
        self._answer.close()

    def _forget(self, working: threading.Thread) -> None:
        working.join()
        del self._answer
        self.ended.set()


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was warned of where no test could catch it."""
    found: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: found.append(repr(it.exc_value)))
    return found


@pytest.fixture
def apps() -> Iterator[Callable[[str], Flask]]:
    """A function that tells which app has an address."""
    host = make_host("sqlite://", STRIPE_CREDITS_PAGES="/credits")
    with Sandbox() as sandbox:
        yield lambda path: host.app if path in HOST else sandbox.app


def request(url: str, path: str, *, method: str = "GET", **headers: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


@pytest.mark.parametrize("path", [*SANDBOX, *DASHBOARD, *HOST])
def test_a_browser_that_goes_away_leaves_no_file_open(
    path: str, apps: Callable[[str], Flask], unraisable: list[str]
) -> None:
    held = Held(apps(path))
    with serving(held) as url:
        connection = request(url, path)
        assert held.sent.wait(30)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        connection.close()
        held.go_on.set()
        assert held.ended.wait(30)
    gc.collect()
    assert unraisable == []


@pytest.mark.parametrize("path", [*SANDBOX, *DASHBOARD, *HOST])
def test_no_answer_leaves_a_file_open(
    path: str, apps: Callable[[str], Flask], unraisable: list[str]
) -> None:
    client = apps(path).test_client()
    whole = client.get(path)
    assert whole.status_code == 200
    etag = whole.headers["ETag"]
    part = client.get(path, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.data) == (206, whole.data[1:4])
    for answer, status in (
        (client.get(path, headers={"If-None-Match": etag}), 304),
        (client.head(path), 200),
        (client.get(path, headers={"Range": "bytes=999999-"}), 416),
        (client.get(f"{path}.none"), 404),
        (client.get(path.replace("/static/", "/static/../").replace("assets", "assets/..")), 404),
    ):
        assert answer.status_code == status
        del answer
    gc.collect()
    assert unraisable == []
