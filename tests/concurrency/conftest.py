from __future__ import annotations

import pytest

from . import meetings


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For transactions without locks: nobody goes on before all have come."""
    monkeypatch.setattr(meetings, "after_the_locks_seconds", meetings.PATIENT_SECONDS)
