from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from ..hosts import Host, make_host


@pytest.fixture(scope="package")
def shared_host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """One host on SQLite for many tests that write nothing, or only for a user of their own."""
    return make_host(f"sqlite:///{tmp_path_factory.mktemp('shared') / 'database.sqlite'}")


@pytest.fixture(scope="package")
def configured_host(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Host]:
    """Hosts on SQLite by their settings, each made once and shared as ``shared_host`` is."""
    directory = tmp_path_factory.mktemp("configured")
    numbers = itertools.count()

    @functools.cache
    def make(**config: Any) -> Host:
        return make_host(f"sqlite:///{directory / f'database{next(numbers)}.sqlite'}", **config)

    return make


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A user id that no other test uses."""
    return f"buyer of {request.node.name}"[:255]
