"""A killed run is finished by the next one, and runs at the same time make nothing twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from .processes import World, described, runner
from .shelves import applied, change, dashboard, in_sync, packages, row_of

# Dying before a step leaves what dying after the one before it does, and a commit is a commit on
# either database: all of it is for a soak.
runs = pytest.mark.parametrize(
    ("database_url", "every"),
    [("sqlite", False), pytest.param("postgresql", True, marks=pytest.mark.soak)],
    indirect=["database_url"],
)


@pytest.fixture
def world(host: Host, sandbox: Sandbox) -> World:
    """A new package, one with a new name and price, one off sale, and one whose ids are lost."""
    change(host, "starter", is_active=False)
    applied(host)
    change(host, "starter", is_active=True)
    standard = row_of(host, "standard")
    dashboard(sandbox).v1.products.update(
        standard["stripe_product_id"], {"default_price": standard["stripe_price_id"]}
    )
    packages(host, "edit", "standard", "--price", "50", "--name", "New")
    packages(host, "deactivate", "pro")
    change(host, "enterprise", stripe_product_id=None, stripe_price_id=None)
    return World(host, sandbox)


@runs
def test_killed_at_every_change_and_commit_the_next_run_finishes_it(
    host: Host, sandbox: Sandbox, world: World, tmp_path: Path, every: bool
) -> None:
    with runner(host, tmp_path) as processes:
        (whole,) = processes.run(0)
        assert whole.code == 0
        right, steps = described(host, sandbox), whole.steps
        assert steps.count("before Stripe") > 5
        assert steps.count("after COMMIT") > 6
        for place, step in enumerate(steps, 1):
            if not every and step.startswith("before"):
                continue
            world.restore()
            (killed,) = processes.run(place)
            assert (killed.code, killed.steps) == (-signal.SIGKILL, steps[:place])
            (healed,) = processes.run(0)
            assert (healed.code, described(host, sandbox)) == (0, right), f"{place} {step}"
    assert in_sync(host)


def test_runs_at_the_same_time_make_nothing_twice(
    host: Host, sandbox: Sandbox, world: World, tmp_path: Path
) -> None:
    with runner(host, tmp_path) as processes:
        assert processes.run(0)[0].code == 0
        right = described(host, sandbox)
        for _ in range(3):
            world.restore()
            assert [ended.code for ended in processes.run(0, 0, 0)] == [0, 0, 0]
            assert described(host, sandbox) == right
            assert in_sync(host)
