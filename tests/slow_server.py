"""A server on loopback that takes its time in every way that a socket allows."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from enum import StrEnum

_HEADERS = (
    b"HTTP/1.1 200 OK\r\nX-Long: "
    + b"x" * 2_000
    + b"\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n"
)
_PAUSE_SECONDS = 0.05


class Slowness(StrEnum):
    NO_ANSWER = "takes the request and never answers"
    HEADERS = "answers, a byte of the headers at a time"
    BODY = "answers, a byte of the body at a time"


@contextlib.contextmanager
def slow_server(slowness: Slowness) -> Iterator[str]:
    """Its address. Every connection is ended when the block is."""
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    threads: list[threading.Thread] = []

    def drip(connection: socket.socket) -> None:
        text = b"H" + _HEADERS[1:] if slowness is Slowness.HEADERS else b" " * 10_000
        with connection, contextlib.suppress(OSError):
            connection.recv(65_536)
            if slowness is Slowness.BODY:
                connection.sendall(_HEADERS)
            for byte in text:
                if over.wait(_PAUSE_SECONDS):
                    return
                if slowness is not Slowness.NO_ANSWER:
                    connection.sendall(bytes([byte]))

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = server.accept()
                threads.append(threading.Thread(target=drip, args=(connection,)))
                threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        for thread in threads:
            thread.join()
        server.close()
