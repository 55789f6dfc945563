"""What is measured over gunicorn: rates, their costs, and what a second worker brings."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .databases import Databases
from .measuring import gained, spread
from .report import table
from .sizes import Size
from .throughput import THREADS, Run, gunicorn, limited_to, run
from .webhook import Sale, sales

# Of workers on a slow disk.
WORKERS = (1, 2, 4)
# So long that what the machine has else to do hardly counts beside it.
FLUSH_MILLISECONDS = 50


@dataclass(frozen=True)
class Load:
    """How a shop is served, and asked.

    :ivar keep_alive: False opens a connection for every request.
    :ivar limit: of the cores, for workers, PostgreSQL and sender together.
    """

    workers: int
    connections: int
    keep_alive: bool = False
    limit: int | None = None

    @property
    def cores(self) -> int:
        """How many the machine has, or may use."""
        return min(self.limit or sys.maxsize, len(os.sched_getaffinity(0)))

    def most(self, run: Run) -> float:
        """How many requests a millisecond the cores allow, each taking what it took in this run.

        A worker has one core at most; all together have all of them.
        """
        return min(self.workers / sum(run.workers), self.cores / run.cpu)

    def __str__(self) -> str:
        workers = f"{self.workers} worker{'s' if self.workers > 1 else ''}"
        limit = f" on {self.limit} core{'s' if self.limit > 1 else ''}" if self.limit else ""
        return f"{workers}{limit}, {self.connections} {'kept ' * self.keep_alive}connections"


# What a second worker brings is told by pairs of them.
ONE_WORKER, TWO_WORKERS = Load(1, 8), Load(2, 8)
ONE_CORE, TWO_CORES = Load(1, 8, limit=1), Load(2, 8, limit=2)
LOADS = (
    *(ONE_WORKER, TWO_WORKERS, Load(2, 32), Load(2, 8, keep_alive=True)),
    *(ONE_CORE, TWO_CORES),
)

Runs = Mapping[Load, Mapping[str, Sequence[Run]]]


def throughput(made: Databases, size: Size) -> str:
    """Ours beside the reference: rates, what a second worker brings, and what it costs."""
    runs = _measured(made, size)
    return "\n\n".join(
        [
            _rates(runs),
            "What a second worker brings:",
            _second_worker(runs, ONE_WORKER, TWO_WORKERS),
            "What a second worker and a second core bring:",
            _second_worker(runs, ONE_CORE, TWO_CORES),
            "What one event takes of the CPUs:",
            _costs(runs),
        ]
    )


def _measured(made: Databases, size: Size) -> Runs:
    shops = sales(made, "ours", "reference")
    runs: dict[Load, dict[str, list[Run]]] = {load: {name: [] for name in shops} for load in LOADS}
    for _ in range(size.runs):
        for load in LOADS:
            for name, sale in shops.items():
                runs[load][name].append(_one_run(sale, made, size, load))
    return runs


def _one_run(sale: Sale, made: Databases, size: Size, load: Load) -> Run:
    with limited_to(load.limit, made), gunicorn(sale, load.workers, *THREADS) as server:
        asked = {"connections": load.connections, "keep_alive": load.keep_alive}
        run(sale, server, made, requests=size.requests // 4, **asked)
        return run(sale, server, made, requests=size.requests, **asked)


def _rates(runs: Runs) -> str:
    rows = []
    for load, of_shops in runs.items():
        ours, theirs = of_shops["ours"], of_shops["reference"]
        rows.append(
            (
                load,
                f"{_median(one.rate for one in ours):.0f}",
                f"{_median(one.rate for one in theirs):.0f}",
                spread(one.rate / other.rate for one, other in zip(ours, theirs, strict=True)),
                f"{_median(one.slowest for one in ours):.0f} ms",
                f"{_median(one.slowest for one in theirs):.0f} ms",
                spread(
                    one.slowest / other.slowest for one, other in zip(ours, theirs, strict=True)
                ),
            )
        )
    header = ("", "ours, a second", "reference, a second", "ratio (runs)", "ours, p99")
    return table((*header, "reference, p99", "ratio of p99 (runs)"), rows)


def _second_worker(runs: Runs, alone: Load, both: Load) -> str:
    rows = []
    for name in runs[alone]:
        one, two = runs[alone][name], runs[both][name]
        gained = spread(b.rate / a.rate for a, b in zip(one, two, strict=True))
        cpu = spread(b.cpu / a.cpu for a, b in zip(one, two, strict=True))
        at_most = _median(both.most(run) / alone.most(run) for run in one)
        rows.append((name, gained, f"{at_most:.2f}", cpu))
    header = (f"{both} to {alone}", "events a second (runs)", "the cores allow")
    return table((*header, "CPU of an event (runs)"), rows)


def _costs(runs: Runs) -> str:
    rows = []
    for load, of_shops in runs.items():
        for name, found in of_shops.items():
            rate, cpu = _median(run.rate for run in found), _median(run.cpu for run in found)
            rows.append(
                (
                    f"{name}, {load}",
                    f"{_median(sum(run.workers) for run in found):.2f} ms",
                    f"{_median(max(run.workers) / sum(run.workers) for run in found):.0%}",
                    f"{_median(run.database for run in found):.2f} ms",
                    f"{_median(run.senders for run in found):.2f} ms",
                    f"{cpu:.2f} ms",
                    f"{load.cores * 1000 / cpu:.0f}",
                    f"{rate * cpu / load.cores / 1000:.0%}",
                )
            )
    header = ("", "workers", "the busiest one's", "PostgreSQL", "senders", "together")
    return table((*header, "the cores allow, a second", "of the cores used"), rows)


def hot_user(made: Databases, size: Size) -> str:
    (sale,) = sales(made, "balances").values()
    found: dict[str | None, list[float]] = {None: [], "hot": []}
    with gunicorn(sale, 2, *THREADS) as server:
        run(sale, server, made, requests=size.requests // 4, connections=8)
        for _ in range(size.runs):
            for buyer in found:
                sale.buyer = buyer
                taken = run(sale, server, made, requests=size.requests, connections=8)
                found[buyer].append(taken.rate)
    many, one = found.values()
    ratio = spread(b / a for a, b in zip(many, one, strict=True))
    row = (f"{_median(many):.0f}", f"{_median(one):.0f}", ratio)
    return table(("many users, a second", "one user, a second", "ratio (runs)"), [row])


def slow_disk(made: Databases, size: Size) -> str:
    """Workers that wait for the disk most of the time: what each brings, if none hinders another.

    One balance, which every purchase adds to, is the measure's own test: there they must wait
    for each other.
    """
    (sale,) = sales(made, "balances").values()
    _slow_down(sale)
    rates: dict[str | None, dict[int, list[float]]] = {None: {}, "hot": {}}
    for _ in range(size.runs):
        for workers in WORKERS:
            with gunicorn(sale, workers) as server:
                for buyer, found in rates.items():
                    sale.buyer = buyer
                    asked = {"connections": 2 * workers}
                    run(sale, server, made, requests=10 * workers, **asked)
                    # Whom the workers wait for in turn, more of them serve no faster.
                    requests = size.requests // 12 * (workers if buyer is None else 1)
                    rate = run(sale, server, made, requests=requests, **asked).rate
                    found.setdefault(workers, []).append(rate)
    many, one = rates.values()
    rows = [(workers, *gained(many, workers), *gained(one, workers)) for workers in WORKERS]
    header = ("workers", "many users, a second", "times one worker's (runs)")
    return table((*header, "one user, a second", "times one worker's (runs)"), rows)


def _slow_down(sale: Sale) -> None:
    """Have every commit on new connections wait for its flush, however few commit."""
    with sale.shop.engine.begin() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        for setting in (f"commit_delay = {FLUSH_MILLISECONDS * 1000}", "commit_siblings = 0"):
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET {setting}")


def _median(figures: Iterable[float]) -> float:
    return statistics.median(figures)
