"""Measure contestants side by side: in one process, in turns, so that the machine is fair to all.

CPU seconds of this process are counted, not the clock's: a busy machine hardly changes them. What
is compared is a ratio within one run, and its spread over the rounds tells how far to trust it.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from types import FrameType
from typing import Any

from flask import Flask

Environ = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One HTTP request, made into a fresh WSGI environment each time it is sent."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def environ(self) -> Environ:
        path, _, query = self.path.partition("?")
        return {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(self.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            **{f"HTTP_{name.upper().replace('-', '_')}": v for name, v in self.headers.items()},
        }


def send(app: Flask, environ: Environ) -> tuple[str, bytes]:
    """Have the app answer, as a server would, and return status and body."""
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[..., object]:
        statuses.append(status)
        return lambda data: None

    answer: Any = app.wsgi_app(environ, start_response)
    try:
        return statuses[0], b"".join(answer)
    finally:
        getattr(answer, "close", bool)()


@dataclass(frozen=True)
class Contestant:
    """One way to do the same work.

    :ivar requests: makes this many requests, with all that they need in the database.
    :ivar check: raises when the requests sent so far haven't had exactly their effect.
    """

    name: str
    app: Flask
    requests: Callable[[int], Sequence[Request]]
    check: Callable[[], object] = bool


@dataclass(frozen=True)
class Measured:
    """What each contestant took: CPU seconds per request, one figure a round."""

    seconds: Mapping[str, Sequence[float]]

    def milliseconds(self, name: str) -> float:
        return statistics.median(self.seconds[name]) * 1000

    def ratio(self, name: str, reference: str) -> str:
        """The rounds' ratios, as :func:`spread` writes them."""
        pairs = zip(self.seconds[name], self.seconds[reference], strict=True)
        return spread(ours / theirs for ours, theirs in pairs)


def spread(ratios: Iterable[float]) -> str:
    """The median, with the smallest and the largest."""
    found = sorted(ratios)
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def gained(rates: Mapping[int, Sequence[float]], workers: int) -> tuple[str, str]:
    """The median rate of so many workers, and what it is to one worker's in the same run."""
    pairs = zip(rates[workers], rates[1], strict=True)
    return f"{statistics.median(rates[workers]):.0f}", spread(many / one for many, one in pairs)


def measure(
    contestants: Iterable[Contestant],
    *,
    rounds: int,
    batch: int,
    clock: Callable[[], float] = time.process_time,
) -> Measured:
    """Let every contestant answer ``batch`` requests in each round, in turns.

    A batch counts only after its effect was checked in the database.

    :param clock: what is counted.
    """
    contestants = list(contestants)
    seconds: dict[str, list[float]] = {one.name: [] for one in contestants}
    for turn in range(rounds + 1):
        # Whoever comes first finds other caches than whoever comes last: take turns in that, too.
        shift = turn % len(contestants)
        for one in contestants[shift:] + contestants[:shift]:
            taken = _one_batch(one, batch, clock)
            if turn:  # The first round warms up.
                seconds[one.name].append(taken / batch)
    return Measured(seconds)


def _one_batch(one: Contestant, batch: int, clock: Callable[[], float]) -> float:
    environs = [request.environ() for request in one.requests(batch)]
    gc.collect()
    gc.disable()
    started = clock()
    answers = [send(one.app, environ) for environ in environs]
    taken = clock() - started
    gc.enable()
    refused = [(status, body) for status, body in answers if not status.startswith("20")]
    assert not refused, f"{one.name}: {refused[0]}"
    one.check()
    return taken


def python_calls(one: Contestant) -> int:
    """How many Python functions one request calls: the same number at every run."""
    return calls_by_module(one).total()


def calls_by_module(one: Contestant) -> Counter[str]:
    """How many functions of each module one request calls."""
    for request in one.requests(3):
        send(one.app, request.environ())
    (request,) = one.requests(1)
    environ = request.environ()
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            calls[frame.f_globals.get("__name__", "")] += 1

    sys.setprofile(count)
    try:
        send(one.app, environ)
    finally:
        sys.setprofile(None)
    one.check()
    return calls
