from __future__ import annotations

import pytest

from ..hosts import Host, make_host


@pytest.fixture(scope="package")
def shared_host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """One host on SQLite for many tests that write nothing, or only for a user of their own."""
    return make_host(f"sqlite:///{tmp_path_factory.mktemp('shared') / 'database.sqlite'}")


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A user id that no other test uses."""
    return f"buyer of {request.node.name}"[:255]
