"""Webhooks a second over gunicorn: real processes, real sockets, PostgreSQL.

The senders share the machine with the servers, for ours and for the reference alike.
"""

from __future__ import annotations

import http.client
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .measuring import Request
from .webhook import SHOPS, Sale

_STARTS_WITHIN_SECONDS = 30.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """One batch sent over ``connections``.

    :ivar rate: requests a second.
    :ivar slowest: the 99th percentile, milliseconds.
    """

    rate: float
    slowest: float


def create_app() -> object:
    """What a gunicorn worker serves: the shop that the environment names, on its database."""
    shop = SHOPS[os.environ["BENCH_SHOP"]]
    return shop(os.environ["BENCH_DATABASE"], os.environ["BENCH_SECRET"]).app


@contextmanager
def gunicorn(sale: Sale, workers: int) -> Iterator[int]:
    """Serve a shop with so many workers; gives the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "BENCH_SHOP": sale.shop.name,
        "BENCH_DATABASE": sale.shop.engine.url.render_as_string(hide_password=False),
        "BENCH_SECRET": sale.secret,
    }
    options = ["--workers", str(workers), "--threads", "4", "--bind", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "tests.benchmarks.throughput:create_app()"],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(_STARTS_WITHIN_SECONDS)


def run(sale: Sale, port: int, *, requests: int, connections: int) -> Run:
    """Deliver events of new purchases, all of which must end in the ledger once."""
    waiting = sale.first_deliveries(requests)
    parts = [waiting[number::connections] for number in range(connections)]
    times: list[float] = []
    start = threading.Barrier(connections + 1)
    threads = [threading.Thread(target=_send, args=(port, part, start, times)) for part in parts]
    for thread in threads:
        thread.start()
    start.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    assert len(times) == requests, f"{requests - len(times)} deliveries were refused"
    sale.check()
    slowest = statistics.quantiles(times, n=100)[98]
    return Run(rate=requests / seconds, slowest=slowest * 1000)


def _send(
    port: int, requests: Sequence[Request], start: threading.Barrier, times: list[float]
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    start.wait()
    for one in requests:
        sent = time.perf_counter()
        headers = {**one.headers, "Content-Type": "application/json"}
        connection.request(one.method, one.path, one.body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            times.append(time.perf_counter() - sent)
    connection.close()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _STARTS_WITHIN_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("gunicorn didn't start")
