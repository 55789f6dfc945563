"""A watch over every test: no secret, signature or payer may show up in its log or output.

Everything is logged at DEBUG while a test runs. All secrets of the tests are made at run time in
one shape, so that one search of what was captured finds any of them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest

_SECRET = re.compile(
    r"whsec_[0-9a-f]{24,}"  # as payloads.new_secret makes them
    r"|(?:sk|rk)_(?:test|live)_[0-9a-f]{24,}"  # payloads.new_api_key
    r"|v1=[0-9a-f]{64}"  # a signature
    r"|buyer@shop\.test"  # the payer in payloads.checkout_session
)


def leaks(text: str) -> list[str]:
    """What must not be in ``text`` and is, shortened to what tells one from another."""
    return sorted({found[:14] + "…" for found in _SECRET.findall(text)})


def pytest_configure(config: pytest.Config) -> None:
    # It would log every row, slowly: tests of the tables look at what is stored.
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)


@pytest.fixture(autouse=True)
def _everything_is_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """At DEBUG, except in soak tests, whose records wouldn't fit into the memory."""
    root = logging.getLogger()
    before = root.level
    if request.node.get_closest_marker("soak") is None:
        root.setLevel(logging.DEBUG)
    yield
    root.setLevel(before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, pytest.TestReport]:
    report: pytest.TestReport = yield
    found = leaks(report.caplog + report.capstdout + report.capstderr)
    if found and report.passed:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} shows {', '.join(found)} in its log or output"
    return report
