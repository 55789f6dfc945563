"""Webhooks a second over gunicorn: real processes, real sockets, PostgreSQL.

Both sides are served alike: by ``gthread`` workers of four threads, with a connection for every
request, as a proxy in front of gunicorn opens them unless it is told otherwise.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .databases import Databases
from .processes import children, cpu_clocks, cpu_seconds_since
from .senders import on_the_wire, send_all
from .webhook import SHOPS, Sale

THREADS = ("--threads", "4")
_STARTS_WITHIN_SECONDS = 60.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """A gunicorn that serves a shop.

    :ivar workers: their process ids.
    """

    port: int
    workers: Sequence[int]


@dataclass(frozen=True)
class Run:
    """One batch of deliveries.

    :ivar rate: requests a second.
    :ivar slowest: the 99th percentile, milliseconds.
    :ivar workers: CPU milliseconds for each request, one figure for each worker.
    :ivar database: the same of all of PostgreSQL's processes.
    :ivar senders: the same of this process, which sends.
    """

    rate: float
    slowest: float
    workers: Sequence[float]
    database: float
    senders: float

    @property
    def cpu(self) -> float:
        """CPU milliseconds for each request, of all processes."""
        return sum(self.workers) + self.database + self.senders


def create_app() -> object:
    """What a gunicorn worker serves: the shop that the environment names, on its database."""
    shop = SHOPS[os.environ["BENCH_SHOP"]]
    app = shop(os.environ["BENCH_DATABASE"], os.environ["BENCH_SECRET"]).app
    (Path(os.environ["BENCH_READY"]) / str(os.getpid())).touch()
    return app


@contextmanager
def gunicorn(sale: Sale, workers: int, *options: str) -> Iterator[Server]:
    """Serve a shop with so many workers, all of which are ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--workers", str(workers), "--bind", f"127.0.0.1:{port}", *options)
    with tempfile.TemporaryDirectory() as ready:
        environment = os.environ | {
            "BENCH_SHOP": sale.shop.name,
            "BENCH_DATABASE": sale.shop.engine.url.render_as_string(hide_password=False),
            "BENCH_SECRET": sale.secret,
            "BENCH_READY": ready,
        }
        app = "tests.benchmarks.throughput:create_app()"
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, app],
            cwd=_ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(server, Path(ready), workers)
            yield Server(port, children(server.pid))
        finally:
            server.terminate()
            server.wait(_STARTS_WITHIN_SECONDS)


def _wait(server: subprocess.Popen[bytes], ready: Path, workers: int) -> None:
    until = time.monotonic() + _STARTS_WITHIN_SECONDS
    while time.monotonic() < until and server.poll() is None:
        if len(list(ready.iterdir())) == workers:
            return
        time.sleep(0.05)
    raise RuntimeError("gunicorn didn't start")


@contextmanager
def limited_to(cores: int | None, made: Databases) -> Iterator[None]:
    """Keep this process, what it starts and the database to so many cores; None is all."""
    usual = os.sched_getaffinity(0)
    _keep_to(sorted(usual)[:cores], made)
    try:
        yield
    finally:
        _keep_to(usual, made)


def _keep_to(cores: Iterable[int], made: Databases) -> None:
    for pid in (os.getpid(), *made.processes()):
        # A process of PostgreSQL's may have ended since.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores)


def run(
    sale: Sale,
    server: Server,
    made: Databases,
    *,
    requests: int,
    connections: int,
    keep_alive: bool = False,
) -> Run:
    """Deliver events of new purchases, all of which must end in the ledger once."""
    waiting = [on_the_wire(one, keep_alive=keep_alive) for one in sale.first_deliveries(requests)]
    counted = [[pid] for pid in server.workers] + [made.processes(), [os.getpid()]]
    before = [cpu_clocks(pids) for pids in counted]
    seconds, times = send_all(server.port, waiting, connections=connections, keep_alive=keep_alive)
    taken = [cpu_seconds_since(clocks) for clocks in before]
    sale.check()
    *workers, database, senders = (each / requests * 1000 for each in taken)
    slowest = statistics.quantiles(times, n=100)[98] * 1000
    return Run(requests / seconds, slowest, workers, database, senders)
