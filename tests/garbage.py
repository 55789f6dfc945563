"""Once the tests are collected, what is there stays: nobody need look through it for garbage again.

Ever again looking through half a million objects was a twelfth of what most tests cost.
"""

from __future__ import annotations

import gc

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
