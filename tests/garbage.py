"""What stays needn't be looked through for garbage ever again.

That is what there is once the tests are collected, half a million objects, and what tests import or
remember: looking through it was a twelfth of what most tests cost, and a second each time where a
test collects garbage itself.
"""

from __future__ import annotations

import gc
import itertools

import pytest

_FREEZE_EVERY = 20
_finished = itertools.count(1)


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    if next(_finished) % _FREEZE_EVERY == 0:
        gc.collect()
        gc.freeze()
