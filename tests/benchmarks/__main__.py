"""``make bench``: measure, and write the figures into ``docs/explanation/performance.md``."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from . import report
from .databases import TITLES, Databases, databases
from .million import million
from .outbox import outbox
from .profiling import profile
from .quick import requests_of_buyers, start, statements_of_a_payment, webhook
from .reconciling import reconciliation
from .sizes import Size
from .summary import summary
from .traffic import hot_user, slow_disk, throughput

Part = Callable[[Mapping[str, Databases], Size], str]
Measure = Callable[[Databases, Size], str]


def on_each(measure: Measure) -> Part:
    """A part that is measured on every kind of database."""

    def part(made: Mapping[str, Databases], size: Size) -> str:
        return "\n\n".join(f"{TITLES[kind]}:\n\n{measure(made[kind], size)}" for kind in made)

    return part


def on_postgresql(measure: Measure) -> Part:
    """A part that is measured on PostgreSQL only."""
    return lambda made, size: measure(made["postgresql"], size)


def _machine(made: Mapping[str, Databases], size: Size) -> str:
    return report.machine(one.version() for one in made.values())


QUICK: Mapping[str, Part] = {
    "machine": _machine,
    "webhook": on_each(webhook),
    "statements": on_each(statements_of_a_payment),
    "profile": on_postgresql(profile),
    "buyers": on_each(requests_of_buyers),
    "throughput": on_postgresql(throughput),
    "slow-disk": on_postgresql(slow_disk),
    "hot-user": on_postgresql(hot_user),
    "start": lambda made, size: start(size),
}
SCALE: Mapping[str, Part] = {
    "scale-machine": _machine,
    "million": on_each(million),
    "reconciliation": on_postgresql(reconciliation),
    "outbox": on_postgresql(outbox),
}
PARTS: Mapping[str, Part] = {**QUICK, **SCALE}


@contextlib.contextmanager
def both() -> Iterator[Mapping[str, Databases]]:
    """A server of PostgreSQL's, and room for SQLite's files."""
    with contextlib.ExitStack() as stack:
        yield {kind: stack.enter_context(databases(kind)) for kind in TITLES}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"{', '.join(PARTS)}; quick or scale: all of them that take minutes, or more; "
        "default: quick",
    )
    parser.add_argument("--purchases", type=int, default=Size().purchases, help="of part million")
    asked = parser.parse_args()
    groups = {"quick": QUICK, "scale": SCALE}
    chosen = [one for name in asked.parts or ["quick"] for one in groups.get(name, [name])]
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    size = replace(Size(), purchases=asked.purchases, of_one_user=asked.purchases // 10)
    with both() as made:
        for name in chosen:
            figures = PARTS[name](made, size)
            print(f"## {name}\n\n{figures}\n", flush=True)
            report.write(name, figures)
    told = summary(report.PAGE.read_text())
    print(f"## summary\n\n{told}")
    report.write("summary", told)


if __name__ == "__main__":
    main()
