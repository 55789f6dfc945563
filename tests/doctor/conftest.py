from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_stripe_credits.doctor import examination
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from ..stripe_stub import NewShop


@pytest.fixture(autouse=True)
def _a_busy_machine_has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "CHECK_SECONDS", 300.0)
    monkeypatch.setattr(examination, "ALL_SECONDS", 600.0)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """One of a test's own, whose clock may be put forward."""
    with Sandbox().start(deliver=False) as sandbox:
        yield sandbox


@pytest.fixture
def own_shop(new_shop: NewShop, quick_retries: None, sandbox: Sandbox) -> Host:
    """A shop on the test's own sandbox, whose tables have a revision."""
    return stamped(new_shop(STRIPE_CREDITS_API_BASE=sandbox.url, STRIPE_CREDITS_SITE="shop"))


def stamped(host: Host) -> Host:
    """Let the tables that ``create_all`` made be those of the newest revision."""
    result = host.app.test_cli_runner().invoke(args=["credits", "db", "stamp"])
    assert result.exit_code == 0, result.output
    return host
