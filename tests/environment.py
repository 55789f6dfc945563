"""A watch over every test: the environment of the process is left as it was found.

What one test leaves there changes what another's child processes do, and only when both happen to
be run by the same worker: `FLASK_RUN_FROM_CLI`, which Flask's own command line sets for good, makes
`app.run()` of a child do nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

# Hundreds of processes import the same modules: whatever the shell prefers, each is compiled once.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.fixture(autouse=True)
def _the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = _environment()
    yield
    monkeypatch.undo()  # pytest-flask asks for it before us, so it would be undone after
    after = _environment()
    if before != after:
        os.environ.clear()
        os.environ.update(before)
    left = sorted(name for name, _ in before.items() ^ after.items())
    assert not left, f"changed in the environment and left so (use monkeypatch): {left}"


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
