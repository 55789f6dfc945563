"""``make bench``: measure everything and write ``docs/explanation/performance.md``."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence

from . import reading, report, throughput
from .cold_start import cold_starts, median_milliseconds
from .databases import Databases, databases
from .measuring import Contestant, measure, python_calls
from .purchases import purchases
from .webhook import first_delivery, sales, second_delivery, statements

ROUNDS, BATCH = 15, 60
# Of a server, each with processes of its own.
RUNS = 3
KINDS = ("postgresql", "sqlite")

# What each statement of a payment is for, in their order. One that isn't here fails the run.
STATEMENTS = (
    ("UPDATE credit_payments", "SQLite only: takes the write lock, in every mode of the driver"),
    ("INSERT INTO credit_payments", "locks the payment: refunds may come at the same instant"),
    ("SELECT credit_purchases", "locks the purchase, and reads it"),
    ("SELECT (SELECT CAST", "after the locks: what went back, and what is posted"),
    ("INSERT INTO credit_grants", "the grant, whose key makes a second one impossible"),
    ("INSERT INTO ledger_entry", "the host's own receiver"),
    ("UPDATE credit_purchases", "facts and results, only where the grant still is"),
    ("INSERT INTO credit_webhook_events", "the inbox"),
)


def main() -> None:
    found: list[tuple[str, str]] = []
    versions = []
    for kind in KINDS:
        with databases(kind) as made:
            versions.append(made.version())
            for title, text in _of_one_database(made):
                print(f"## {title}\n\n{text}\n", flush=True)
                found.append((title, text))
    found.append(("Start", _start()))
    parts = [report.machine(versions), *(f"### {title}\n\n{text}" for title, text in found)]
    report.write("\n\n".join(parts))
    print(f"written to {report.PAGE}", file=sys.stderr)


def _of_one_database(made: Databases) -> Iterator[tuple[str, str]]:
    kind = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[made.kind]
    yield f"Webhook, {kind}", _webhook(made)
    yield f"Statements of a payment, {kind}", _statements(made)
    yield f"Requests of buyers, {kind}", _requests(made)
    if made.kind == "postgresql":
        yield "Throughput", _throughput(made)
        yield "One user who buys everything", _hot_user(made)


def _webhook(made: Databases) -> str:
    shops = sales(made, "ours", "reference", "floor")
    firsts = [first_delivery(sale) for sale in shops.values()]
    calls = {one.name: python_calls(one) for one in firsts}
    paid = measure(firsts, rounds=ROUNDS, batch=BATCH)
    again = measure(
        [second_delivery(shops["ours"]), first_delivery(shops["reference"])],
        rounds=ROUNDS,
        batch=BATCH,
    )
    rows: list[Sequence[object]] = [
        (name, f"{paid.milliseconds(name):.2f} ms", paid.ratio(name, "reference"), calls[name])
        for name in shops
    ]
    duplicate = python_calls(second_delivery(shops["ours"]))
    cpu, ratio = again.milliseconds("ours"), again.ratio("ours", "reference")
    rows.append(("ours, delivered before", f"{cpu:.2f} ms", ratio, duplicate))
    return report.table(("", "CPU", "of the reference's (rounds)", "Python calls"), rows)


def _statements(made: Databases) -> str:
    found = statements(sales(made, "ours")["ours"])
    rows = []
    for statement in found:
        ((start, why),) = [one for one in STATEMENTS if statement.startswith(one[0])]
        rows.append((f"`{start} …`", why))
    return report.table(("statement", "why"), rows)


def _requests(made: Databases) -> str:
    host = reading.shop(made)
    rows = []
    for title, pair in (
        ("`GET /packages`", reading.packages(host)),
        ("`GET /history`, 50 purchases", reading.history(host)),
        ("`POST /purchase`", purchases(made)),
    ):
        rows.append((title, *_compared(pair)))
    return report.table(("", "CPU", "of the reference's (rounds)", "Python calls"), rows)


def _compared(pair: Sequence[Contestant]) -> tuple[object, ...]:
    ours, _ = pair
    calls = python_calls(ours)
    taken = measure(pair, rounds=ROUNDS, batch=BATCH)
    return f"{taken.milliseconds('ours'):.2f} ms", taken.ratio("ours", "reference"), calls


def _throughput(made: Databases) -> str:
    shops = sales(made, "ours", "reference")
    rows = []
    for workers, connections in ((1, 8), (2, 8), (2, 32)):
        runs: dict[str, list[throughput.Run]] = {name: [] for name in shops}
        for _ in range(RUNS):
            for name, sale in shops.items():
                with throughput.gunicorn(sale, workers) as port:
                    throughput.run(sale, port, requests=60, connections=connections)
                    runs[name].append(
                        throughput.run(sale, port, requests=600, connections=connections)
                    )
        ours, theirs = (
            (
                statistics.median(one.rate for one in runs[name]),
                statistics.median(one.slowest for one in runs[name]),
            )
            for name in shops
        )
        rows.append(
            (
                f"{workers} workers, {connections} connections",
                f"{ours[0]:.0f}",
                f"{theirs[0]:.0f}",
                f"{ours[0] / theirs[0]:.2f}",
                f"{ours[1]:.0f} ms",
                f"{theirs[1]:.0f} ms",
            )
        )
    header = ("", "ours, a second", "reference, a second", "ratio", "ours, p99", "reference, p99")
    return report.table(header, rows)


def _hot_user(made: Databases) -> str:
    (sale,) = sales(made, "balances").values()
    rates: dict[str | None, list[float]] = {None: [], "hot": []}
    with throughput.gunicorn(sale, 2) as port:
        throughput.run(sale, port, requests=60, connections=8)
        for _ in range(RUNS):
            for buyer in rates:
                sale.buyer = buyer
                rates[buyer].append(throughput.run(sale, port, requests=600, connections=8).rate)
    many, one = (statistics.median(found) for found in rates.values())
    row = (f"{many:.0f}", f"{one:.0f}", f"{one / many:.2f}")
    return report.table(("many users, a second", "one user, a second", "ratio"), [row])


def _start() -> str:
    imported, initialised = median_milliseconds(cold_starts(15))
    row = (f"{imported:.0f} ms", f"{initialised:.0f} ms", f"{imported + initialised:.0f} ms")
    return report.table(("import", "`init_app`", "CPU, together"), [row])


if __name__ == "__main__":
    main()
