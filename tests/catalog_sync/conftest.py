from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host, make_host


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox().start(deliver=False) as started:
        yield started


@pytest.fixture
def host(database_url: str, sandbox: Sandbox) -> Host:
    """A host with the guide's four packages, not synced yet."""
    host = make_host(database_url, STRIPE_CREDITS_API_BASE=sandbox.url)
    host.load_packages()
    return host
