"""Send requests over many connections at once, in one thread and with as little CPU as can be.

Whoever sends shares the machine with the servers that are measured: what it takes is missing there.
So every request is bytes before the clock starts, and of an answer only what is needed is read.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence

from .measuring import Request

_LONGEST_WAIT_SECONDS = 60.0
_LONGEST_ANSWER = 65_536


def send_all(
    port: int, requests: Sequence[bytes], *, connections: int, keep_alive: bool
) -> tuple[float, Sequence[float]]:
    """Send each request once, over so many connections, on each of them one at a time.

    :param requests: as :func:`on_the_wire` makes them.
    :param keep_alive: False opens a connection for every request.
    :returns: the seconds of the whole, and those of each request, all of which were answered 200.
    """
    waiting = deque(requests)
    lanes = [_Lane(port) for _ in range(min(connections, len(waiting)))]
    try:
        started = time.perf_counter()
        times = _sent(lanes, waiting, keep_alive)
        seconds = time.perf_counter() - started
    finally:
        for lane in lanes:
            lane.close()
    return seconds, times


def _sent(lanes: Sequence[_Lane], waiting: deque[bytes], keep_alive: bool) -> Sequence[float]:
    times: list[float] = []
    unanswered = len(waiting)
    with selectors.DefaultSelector() as answered:
        for lane in lanes:
            lane.send(waiting.popleft())
            answered.register(lane.socket, selectors.EVENT_READ, lane)
        while len(times) < unanswered:
            ready = answered.select(_LONGEST_WAIT_SECONDS)
            assert ready, f"{unanswered - len(times)} requests weren't answered"
            for key, _ in ready:
                lane = key.data
                if not lane.read():
                    continue
                times.append(time.perf_counter() - lane.sent)
                if not keep_alive:
                    answered.unregister(lane.socket)
                    lane.close()
                if waiting:
                    lane.send(waiting.popleft())
                    if not keep_alive:
                        answered.register(lane.socket, selectors.EVENT_READ, lane)
    return times


def on_the_wire(request: Request, *, keep_alive: bool) -> bytes:
    """The bytes of a request."""
    headers = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(request.body)),
        "Connection": "keep-alive" if keep_alive else "close",
        **request.headers,
    }
    lines = [f"{request.method} {request.path} HTTP/1.1", *map(": ".join, headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + request.body


class _Lane:
    """One connection after the other, and what has come of an answer."""

    def __init__(self, port: int) -> None:
        self.port, self.sent, self._answer = port, 0.0, b""
        self.socket: socket.socket | None = None

    def send(self, request: bytes) -> None:
        self.sent = time.perf_counter()
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), _LONGEST_WAIT_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request)

    def read(self) -> bool:
        """Take what has come; whether it is the whole answer."""
        assert self.socket is not None
        came = self.socket.recv(_LONGEST_ANSWER)
        assert came, f"the connection was closed after {self._answer!r}"
        self._answer += came
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return False
        length = int(head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return False
        assert head.startswith(b"HTTP/1.1 200 "), self._answer
        self._answer = b""
        return True

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
