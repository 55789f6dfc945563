"""``flask credits reconcile`` of few purchases and of many: statements, memory, CPU time."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host, make_host
from ..reconciliation.crowds import add_crowd
from ..reconciliation.processes import reconcile_process
from .databases import Databases
from .report import table
from .sizes import Size

HEADER = ("purchases", "run", "Stripe's pages", "statements", "for each page", "CPU")


def reconciliation(made: Databases, size: Size) -> str:
    """Each number twice: when some were missed, which is repaired, and when none was."""
    rows: list[tuple[object, ...]] = []
    with Sandbox().start(deliver=False) as stripe, tempfile.TemporaryDirectory() as folder:
        host = make_host(made.create(), watched=False, STRIPE_CREDITS_API_BASE=stripe.url)
        host.load_packages()
        there = 0
        for count, days_ago in ((size.few, (28, 27)), (size.many - size.few, (26, 0))):
            expected = add_crowd(host, stripe, count, start=there, days_ago=days_ago)
            there += count
            for found in (sum(expected.values()), 0):
                rows.append((f"{there:,}", *_run(host, Path(folder), found)))
        host.assert_exact()
    return table((*HEADER, "most memory"), rows)


def _run(host: Host, folder: Path, expected: int) -> tuple[object, ...]:
    ended = reconcile_process(host, folder, "--json", "--apply")
    summary = json.loads(ended.output.splitlines()[-1])
    assert ended.code == 0 and summary["finished"], ended.errors
    assert sum(summary["found"].values()) == expected, summary
    return (
        f"{expected:,} repaired" if expected else "nothing missed",
        f"{ended.pages:,}",
        f"{ended.statements:,}",
        f"{ended.statements / ended.pages:.1f}",
        f"{ended.cpu_seconds:.1f} s",
        f"{ended.peak_kilobytes / 1024:.0f} MB",
    )
