"""Reconcile 100,000 purchases: how long it takes, and in how much memory."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_stripe_credits.sandbox import Sandbox

from ..figures import Figures, scaled
from ..hosts import make_host
from ..reconciliation.crowds import add_crowd
from ..reconciliation.processes import Ended, reconcile_process

pytestmark = pytest.mark.soak
# More than a tenth of the purchases needs; what grows with them would be far above.
MOST_MORE_KILOBYTES = 15_000


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox().start(deliver=False) as started:
        yield started


def found(ended: Ended) -> Counter[str]:
    summary = json.loads(ended.output.splitlines()[-1])
    assert summary["finished"], ended.errors
    return Counter(summary["found"])


def test_many_purchases_are_reconciled_in_the_memory_of_few(
    database_url: str, sandbox: Sandbox, tmp_path: Path, figures: Figures
) -> None:
    host = make_host(database_url, STRIPE_CREDITS_API_BASE=sandbox.url)
    host.load_packages()
    few, many = scaled(10_000), scaled(100_000)
    add_crowd(host, sandbox, few, days_ago=(33, 31))
    small = reconcile_process(host, tmp_path, "--json", "--apply")
    assert small.code == 0, small.errors
    expected = add_crowd(host, sandbox, many, start=few, days_ago=(29, 0))
    started = time.monotonic()
    plan = reconcile_process(host, tmp_path, "--json")
    planned = time.monotonic()
    assert (plan.code, found(plan)) == (2, expected)
    apply = reconcile_process(host, tmp_path, "--json", "--apply")
    applied = time.monotonic()
    assert (apply.code, found(apply)) == (0, expected)
    again = reconcile_process(host, tmp_path, "--json")
    assert (again.code, found(again)) == (0, Counter())
    figures(
        sessions=few + many,
        plan_seconds=round(planned - started, 1),
        apply_seconds=round(applied - planned, 1),
        plan_cpu=round(plan.cpu_seconds, 1),
        apply_cpu=round(apply.cpu_seconds, 1),
        repaired=sum(expected.values()),
        few_mb=round(small.peak_kilobytes / 1024),
        plan_mb=round(plan.peak_kilobytes / 1024),
        apply_mb=round(apply.peak_kilobytes / 1024),
    )
    assert max(plan.peak_kilobytes, apply.peak_kilobytes) < (
        small.peak_kilobytes + MOST_MORE_KILOBYTES
    )
