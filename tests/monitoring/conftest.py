"""A host whose metrics have a registry of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ..hosts import Host, make_host

SITE = {"site": "local", "mode": "test"}


class Meter:
    """Reads the metrics of one registry, without their prefix and common labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of one sample, None when there is none."""
        return self.registry.get_sample_value(f"stripe_credits_{name}", SITE | labels)

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of one name that aren't 0, by their own labels' values."""
        found = {}
        for metric in self.registry.collect():
            for sample in metric.samples:
                if sample.name == f"stripe_credits_{name}" and sample.value:
                    own = [value for key, value in sample.labels.items() if key not in SITE]
                    found[tuple(own)] = sample.value
        return found


@pytest.fixture
def meter() -> Meter:
    return Meter(CollectorRegistry())


NewMetered = Callable[..., Host]


@pytest.fixture
def new_metered(meter: Meter) -> NewMetered:
    """A function that makes a host that is measured by ``meter``."""

    def create(database_url: str, **options: Any) -> Host:
        return make_host(database_url, metrics_registry=meter.registry, **options)

    return create


@pytest.fixture
def metered(new_database: Callable[[str], str], new_metered: NewMetered) -> Host:
    """A measured host on SQLite, for what no database can change."""
    return new_metered(new_database("sqlite"))


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
