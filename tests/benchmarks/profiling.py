"""Whose code a webhook's time is spent in: CPU time, and Python calls, by package."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Mapping
from types import FrameType

from .databases import Databases
from .measuring import calls_by_module, send
from .report import table
from .sizes import Size
from .webhook import Sale, first_delivery, sales

# Of CPU time; the kernel may make it a tick of its own, of which there are fewer.
_EVERY_SECONDS = 0.001
_SHOP, _STANDARD, _OTHERS = "the shop's own code", "Python's standard library", "others"
_LEAST_PERCENT = 2.0


def profile(made: Databases, size: Size) -> str:
    """Ours and the reference, each with events of new purchases."""
    shops = sales(made, "ours", "reference")
    calls = {name: _calls(sale) for name, sale in shops.items()}
    shares = {name: _percents(sale, size.samples) for name, sale in shops.items()}
    most = {
        package: max(found.get(package, 0.0) for found in shares.values())
        for package in {one for found in shares.values() for one in found}
    }
    shown = sorted(
        (one for one, percent in most.items() if percent >= _LEAST_PERCENT),
        key=lambda one: -shares["ours"].get(one, 0.0),
    )
    rows = []
    for package in (*shown, _OTHERS):
        row: list[object] = [package]
        for name in shops:
            row += [
                f"{_of(package, shares[name], shown):.0f} %",
                f"{_of(package, calls[name], shown):.0f}",
            ]
        rows.append(row)
    header = ("", "ours, CPU", "ours, calls", "reference, CPU", "reference, calls")
    return table(header, rows)


def _of(package: str, found: Mapping[str, float], shown: list[str]) -> float:
    if package != _OTHERS:
        return found.get(package, 0.0)
    return sum(figure for one, figure in found.items() if one not in shown)


def _calls(sale: Sale) -> Counter[str]:
    found: Counter[str] = Counter()
    for module, count in calls_by_module(first_delivery(sale)).items():
        found[_package(module)] += count
    return found


def _percents(sale: Sale, deliveries: int) -> dict[str, float]:
    """Ask again and again, by the clock of this process's CPU, whose function is running.

    What C does, the driver's waiting and reading for one, counts for the function that called it.
    """
    environs = [one.environ() for one in sale.first_deliveries(deliveries)]
    found: Counter[str] = Counter()

    def note(number: int, frame: FrameType | None) -> None:
        if frame is not None:
            found[_package(frame.f_globals.get("__name__", ""))] += 1

    before = signal.signal(signal.SIGPROF, note)
    signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)
    try:
        for environ in environs:
            send(sale.shop.app, environ)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    sale.check()
    return {package: 100 * count / found.total() for package, count in found.items()}


def _package(module: str) -> str:
    package = module.partition(".")[0]
    if package == "tests":
        return _SHOP
    return _STANDARD if package in sys.stdlib_module_names else f"`{package}`"
