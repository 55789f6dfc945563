"""Serving the sandbox over HTTP from a thread, and stopping without leaving one behind."""

from __future__ import annotations

import errno
import socket
import threading
from contextlib import suppress
from typing import Any

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from .clock import Clock
from .endpoints import is_loopback


class AddressUnusable(Exception):
    """The address is taken, isn't this machine's own, or may not be used."""


class Server:
    """A threaded HTTP server on a loopback address.

    :param port: 0 for any free one.
    :param clock: what time its answers tell.
    :raises AddressUnusable: when it can't be bound.
    """

    def __init__(self, app: Flask, clock: Clock, host: str = "127.0.0.1", port: int = 0) -> None:
        if not is_loopback(host):
            raise AddressUnusable(
                f"The sandbox only listens on this machine's loopback addresses, not on {host}."
            )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family)
        except OSError as error:
            raise AddressUnusable(_problem(host, port, error)) from error
        with listening:
            bound_port = listening.getsockname()[1]
            self._server = _ThreadedServer(host, port, app, _QuietHandler, fd=listening.fileno())
        self._server.clock = clock
        shown = f"[{host}]" if family is socket.AF_INET6 else host
        self.url: str = f"http://{shown}:{bound_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox-server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, cut the connections and wait for the threads. Safe to repeat."""
        self._server.shutdown()
        self._thread.join()
        self._server.cut_connections()
        self._server.server_close()


def _problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken, perhaps by another sandbox. Stop that or choose "
            "another port."
        )
    return f"The sandbox can't listen on {host} port {port}: {error.strerror or error}."


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: a line for each style sheet would hide the payments and deliveries."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """What the header ``Date`` says."""
        if timestamp is None and isinstance(self.server, _ThreadedServer):
            timestamp = self.server.clock.time()
        return super().date_time_string(timestamp)


class _ThreadedServer(ThreadedWSGIServer):
    """Keeps count of its connections: clients leave theirs open, and each occupies a thread."""

    clock: Clock

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._connections_lock = threading.Lock()
        super().__init__(*arguments, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="sandbox-connection",
            daemon=True,
        )
        with self._connections_lock:
            self._connections[request] = thread
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._connections_lock:
                self._connections.pop(request, None)

    def cut_connections(self) -> None:
        """Close every connection and wait for the threads that served them."""
        with self._connections_lock:
            left = dict(self._connections)
        for connection in left:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        for thread in left.values():
            thread.join()
