"""The gauges that are read from the database when Prometheus asks, by the process that it asks."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator

from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..errors import DatabaseBusy, TablesOutOfDate
from ..state import state_of
from .families import COMMON, GAUGES, PREFIX
from .standing import Standing, read_standing
from .watch import Watch

FRESH_SECONDS = 10.0
ANSWER_SECONDS = 2.0

Sample = tuple[str, tuple[str, ...], float]


class DatabaseGauges(Collector):
    """Collects the gauges of every app that was added and still lives.

    In bounded time: without an answer of the database only ``database_up`` is told. Apps of one
    site and mode have one sample, the worst.
    """

    def __init__(self) -> None:
        self._watches: weakref.WeakKeyDictionary[Flask, Watch[Standing]] = (
            weakref.WeakKeyDictionary()
        )

    def add(self, app: Flask) -> None:
        """Have the gauges of ``app`` collected. Doesn't touch its database."""
        self._watches[app] = Watch(
            lambda app, connection: read_standing(state_of(app), connection),
            seconds=ANSWER_SECONDS,
            fresh_seconds=FRESH_SECONDS,
        )

    def describe(self) -> Iterable[Metric]:
        return list(_empty().values())

    def collect(self) -> Iterator[Metric]:
        worst: dict[tuple[str, tuple[str, ...]], float] = {}
        for app, watch in list(self._watches.items()):
            for name, labels, value in _samples(app, watch):
                known = worst.get((name, labels), value)
                decide = min if name in ("database_up", _LAST_HANDLED) else max
                worst[name, labels] = decide(known, value)
        families = _empty()
        for (name, labels), value in worst.items():
            families[name].add_metric(labels, value)
        yield from families.values()


_LAST_HANDLED = "webhook_last_handled_timestamp_seconds"


def _empty() -> dict[str, GaugeMetricFamily]:
    return {
        one.name: GaugeMetricFamily(PREFIX + one.name, one.help, labels=(*COMMON, *one.labels))
        for one in GAUGES
    }


def _samples(app: Flask, watch: Watch[Standing]) -> Iterator[Sample]:
    from .counting import labels_of

    common = labels_of(state_of(app).settings)
    try:
        standing = watch.look(app)
    except (DatabaseBusy, TablesOutOfDate, TimeoutError):
        yield "database_up", common, 0.0
        return
    yield "database_up", common, 1.0
    for seen, waiting in standing.paid_not_granted.items():
        yield "paid_not_granted", (*common, seen), waiting.count
        yield "paid_not_granted_oldest_seconds", (*common, seen), waiting.oldest_seconds
    yield "grants_undelivered", common, standing.undelivered.count
    yield "grants_undelivered_oldest_seconds", common, standing.undelivered.oldest_seconds
    for kind, count in standing.waiting.items():
        yield "waiting", (*common, kind.replace(" ", "_")), count
    last = standing.last_handled
    yield _LAST_HANDLED, common, 0.0 if last is None else last.timestamp()


_known: weakref.WeakKeyDictionary[CollectorRegistry, DatabaseGauges] = weakref.WeakKeyDictionary()


def gauges_of(registry: CollectorRegistry) -> DatabaseGauges:
    """The gauges of ``registry``, registered the first time."""
    found = _known.get(registry)
    if found is None:
        found = _known[registry] = DatabaseGauges()
        registry.register(found)
    return found
