"""Our metrics as Prometheus reads them, of all processes where there are several."""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from .database_gauges import gauges_of
from .families import PREFIX

__all__ = ["CONTENT_TYPE", "MULTIPROCESS_DIRECTORY", "exposition"]

MULTIPROCESS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


class _Ours(Collector):
    """What is ours of what another collector has: the rest is the host's to show."""

    def __init__(self, collectors: list[Collector]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Metric]:
        for collector in self._collectors:
            for metric in collector.collect():
                if metric.name.startswith(PREFIX):
                    yield metric


def exposition(registry: CollectorRegistry) -> bytes:
    """The text for Prometheus.

    Where ``PROMETHEUS_MULTIPROC_DIR`` is set the counters are those of all processes together, and
    the gauges are read from the database by this one.
    """
    shown = CollectorRegistry(auto_describe=False)
    if os.environ.get(MULTIPROCESS_DIRECTORY):
        everywhere = MultiProcessCollector(None)  # type: ignore[no-untyped-call]
        shown.register(_Ours([everywhere, gauges_of(registry)]))
    else:
        shown.register(_Ours([registry]))
    return generate_latest(shown)
