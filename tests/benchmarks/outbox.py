"""Deliveries a second from an outbox to a credit manager elsewhere, by one worker and by more."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from ..hosts import make_host
from ..payloads import new_secret
from .databases import Databases
from .measuring import gained, send
from .outbox_worker import BOOKS
from .processes import cpu_clocks, cpu_seconds_since
from .report import table
from .sizes import Size
from .webhook import CREDITS, Ours, Sale

WORKERS = (1, 2, 4)
_ROOT = Path(__file__).resolve().parents[2]
_UNDELIVERED = (
    "UPDATE credit_grants SET delivered_at = NULL, attempts = 0, next_attempt_at = created_at"
)
_DELIVERED_ONCE = "SELECT count(delivered_at), sum(attempts) FROM credit_grants"
_BOOKED = "SELECT count(*), count(DISTINCT id), sum(credits) FROM booked"


class Later(Ours):
    """Ours, with grants that are committed first and handed over afterwards."""

    def __init__(self, database_url: str, secret: str) -> None:
        self.host = make_host(
            database_url,
            receiver=lambda grant: None,
            watched=False,
            STRIPE_WEBHOOK_SECRET_CREDITS=secret,
            STRIPE_CREDITS_DELIVERY="outbox",
        )
        self.app = self.host.app
        with self.app.app_context():
            self.engine = self.host.db.engine


def outbox(made: Databases, size: Size) -> str:
    secret = new_secret()
    sale = Sale(Later(made.create(), secret), secret)
    books = made.create()
    engine = sa.create_engine(books)
    with engine.begin() as connection:
        connection.exec_driver_sql(BOOKS)
    for one in sale.first_deliveries(size.grants):
        assert send(sale.shop.app, one.environ())[0].startswith("200")
    rates: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    cpu: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    for _ in range(size.runs):
        for workers in WORKERS:
            _take_back(sale.shop.engine, engine)
            seconds, taken = _deliver([str(sale.shop.engine.url), books], workers, made)
            _check(sale, engine, size.grants)
            rates[workers].append(size.grants / seconds)
            cpu[workers].append(1000 * taken / size.grants)
    engine.dispose()
    rows = [
        (workers, *gained(rates, workers), f"{statistics.median(cpu[workers]):.2f} ms")
        for workers in WORKERS
    ]
    header = ("workers", "deliveries a second", "times one worker's (runs)")
    return table((*header, "CPU of a delivery, with PostgreSQL's"), rows)


def _take_back(shop: sa.Engine, books: sa.Engine) -> None:
    """As if nothing had been delivered and nothing booked."""
    with shop.begin() as connection:
        connection.exec_driver_sql(_UNDELIVERED)
    with books.begin() as connection:
        connection.exec_driver_sql("DELETE FROM booked")


def _deliver(arguments: Sequence[str], workers: int, made: Databases) -> tuple[float, float]:
    """Seconds until the last one has nothing more to do, and CPU seconds of them all."""
    command = [sys.executable, "-m", "tests.benchmarks.outbox_worker", *arguments]
    running = [
        subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(workers)
    ]
    assert [_line(one) for one in running] == ["ready\n"] * workers
    # With those that serve the workers, which are connected.
    database = cpu_clocks(made.processes())
    started = time.perf_counter()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    taken = sum(float(_line(one)) for one in running)
    seconds = time.perf_counter() - started
    taken += cpu_seconds_since(database)
    for one in running:
        one.communicate("end\n")
        assert one.returncode == 0
    return seconds, taken


def _line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline()


def _check(sale: Sale, books: sa.Engine, count: int) -> None:
    """Raise unless each grant was delivered at its first attempt, and booked once."""
    with sale.shop.engine.connect() as connection:
        delivered = tuple(connection.exec_driver_sql(_DELIVERED_ONCE).one())
    with books.connect() as connection:
        booked = tuple(connection.exec_driver_sql(_BOOKED).one())
    assert delivered == (count, count), f"{delivered} of {count} grants"
    assert booked == (count, count, count * CREDITS), f"{booked} of {count} grants"
