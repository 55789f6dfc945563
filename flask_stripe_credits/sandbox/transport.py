"""Sending one webhook by HTTP."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A signed event on its way to an endpoint."""

    url: str
    headers: dict[str, str]
    body: bytes


# As much of an answer as its log keeps.
LONGEST_BODY = 2_000


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What an endpoint answered.

    :ivar body: the first 2,000 bytes of it, as text.
    """

    status: int
    body: str = ""


class Transport(Protocol):
    """How a webhook gets to its endpoint."""

    def send(self, request: WebhookRequest, timeout_seconds: float) -> WebhookAnswer:
        """Return the answer.

        :raises OSError: when there was none in time.
        """

    def abort(self) -> None:
        """Give up on everything that is under way, now."""


class HttpTransport:
    """One connection for each webhook, without proxies and without following redirects."""

    def __init__(self) -> None:
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()

    def send(self, request: WebhookRequest, timeout_seconds: float) -> WebhookAnswer:
        parts = urlsplit(request.url)
        secure = parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(parts.hostname or "", parts.port, timeout=timeout_seconds)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with self._lock:
            self._open.add(connection)
        # A receiver that trickles its answer would outlive the socket's own timeout.
        deadline = threading.Timer(timeout_seconds, _cut, [connection])
        deadline.daemon = True
        deadline.start()
        try:
            connection.request("POST", path, body=request.body, headers=request.headers)
            response = connection.getresponse()
            return WebhookAnswer(response.status, _beginning_of(response))
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP answer ({type(error).__name__})") from error
        finally:
            deadline.cancel()
            deadline.join()
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def abort(self) -> None:
        with self._lock:
            for connection in self._open:
                _cut(connection)


def _beginning_of(response: http.client.HTTPResponse) -> str:
    """For people only: what is broken off or comes too late doesn't change the answer."""
    try:
        return response.read(LONGEST_BODY).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""


def _cut(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
