"""What stays needn't be looked through for garbage ever again.

That is what there is once the tests are collected, half a million objects, and what each test
imports or remembers: looking through it was a twelfth of what most tests cost. What a test leaves
lying, an open file or half an answer, is found when it ends, and not in whatever test comes then.
"""

from __future__ import annotations

import gc

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    gc.collect()
    gc.freeze()
