from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_stripe_credits.reconciliation import listing
from flask_stripe_credits.sandbox import Sandbox


@pytest.fixture
def stripe() -> Iterator[Sandbox]:
    """A sandbox of this test's own, because reconciliation reads the whole account."""
    with Sandbox().start(deliver=False) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask Stripe again at once when it was unavailable."""
    monkeypatch.setattr(listing, "PAUSES_SECONDS", (0.0, 0.0, 0.0))
