"""A group of tests stays in one worker, where what they share is made once."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("together")
def test_the_scheduler_is_told_of_groups(request: pytest.FixtureRequest) -> None:
    """A pytest that pytest-xdist doesn't know drops them without a word."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("only make runs tests by groups")
    assert request.node.nodeid.endswith("@together")
