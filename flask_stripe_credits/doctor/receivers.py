"""Whether anybody hears of credits, and of all of them."""

from __future__ import annotations

from collections.abc import Iterator

from blinker import NamedSignal
from flask import Flask

from ..signals import MONEY_SIGNALS
from .findings import Finding, error, ok
from .patient import Patient


def receivers(patient: Patient) -> Iterator[Finding]:
    """Has each of the three signals of money a receiver?"""
    heard = {signal.name: _names(signal, patient.app) for signal in MONEY_SIGNALS}
    if not any(heard.values()):
        yield error(
            "nobody receives credits: every payment is answered with 503",
            "connect your credit manager with @credits.on_grant, in a module that the app imports",
        )
        return
    for name, functions in heard.items():
        if not functions:
            yield error(
                f"nobody receives {name}: what is due then is answered with 503",
                f"connect a function with @credits.on_grant or @credits.on_{name}",
            )
    told = dict.fromkeys(name for functions in heard.values() for name in functions)
    if all(heard.values()):
        yield ok(f"credits go to {', '.join(told)}")


def _names(signal: NamedSignal, app: Flask) -> list[str]:
    return [
        f"{one.__module__}.{getattr(one, '__qualname__', type(one).__name__)}"
        for one in signal.receivers_for(app)
    ]
