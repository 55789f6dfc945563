"""Deliveries a second from an outbox to a credit manager elsewhere, by one worker and by more."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from ..hosts import make_host
from ..payloads import new_secret
from .databases import Databases
from .measuring import send
from .outbox_worker import BOOKS
from .processes import cpu_seconds
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
    rates: dict[int, float] = {}
    rows = []
    for workers in WORKERS:
        _take_back(sale.shop.engine, engine)
        pids = made.processes()
        before = cpu_seconds(pids)
        seconds, taken = _deliver([str(sale.shop.engine.url), books], workers)
        taken += cpu_seconds(pids) - before
        _check(sale, engine, size.grants)
        rates[workers] = size.grants / seconds
        gained = f"{rates[workers] / rates[WORKERS[0]]:.2f}"
        cpu = f"{1000 * taken / size.grants:.2f} ms"
        rows.append((workers, f"{rates[workers]:.0f}", gained, cpu))
    engine.dispose()
    header = ("workers", "deliveries a second", "times one worker's")
    return table((*header, "CPU of a delivery, with PostgreSQL's"), rows)


def _take_back(shop: sa.Engine, books: sa.Engine) -> None:
    """As if nothing had been delivered and nothing booked."""
    with shop.begin() as connection:
        connection.exec_driver_sql(_UNDELIVERED)
    with books.begin() as connection:
        connection.exec_driver_sql("DELETE FROM booked")


def _deliver(arguments: Sequence[str], workers: int) -> tuple[float, float]:
    """Seconds until the last one has nothing more to do, and CPU seconds of them all."""
    command = [sys.executable, "-m", "tests.benchmarks.outbox_worker", *arguments]
    running = [
        subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(workers)
    ]
    for one in running:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    started = time.perf_counter()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    taken = 0.0
    for one in running:
        assert one.stdout is not None
        taken += float(one.stdout.readline())
    seconds = time.perf_counter() - started
    for one in running:
        one.communicate()
        assert one.returncode == 0
    return seconds, taken


def _check(sale: Sale, books: sa.Engine, count: int) -> None:
    """Raise unless each grant was delivered at its first attempt, and booked once."""
    with sale.shop.engine.connect() as connection:
        delivered = tuple(connection.exec_driver_sql(_DELIVERED_ONCE).one())
    with books.connect() as connection:
        booked = tuple(connection.exec_driver_sql(_BOOKED).one())
    assert delivered == (count, count), f"{delivered} of {count} grants"
    assert booked == (count, count, count * CREDITS), f"{booked} of {count} grants"
