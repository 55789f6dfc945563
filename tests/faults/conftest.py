from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..databases import dispose_engines
from ..postgres_keeper import Server


@pytest.fixture(scope="module")
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A PostgreSQL of this module's own, to be stopped and started; a commit is durable at once."""
    # The path of a socket may be no longer than 107 bytes: keep it short.
    directory = Path(tempfile.mkdtemp(prefix="fsc-own-"))
    server = Server(directory)
    server.create()
    server.start(synchronous_commit="on")
    try:
        yield server
    finally:
        dispose_engines()
        server.stop()
        shutil.rmtree(directory)
