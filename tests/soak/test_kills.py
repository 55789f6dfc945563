"""Thousands of kills, counted by the step at which the process died."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..figures import Figures, scaled
from ..hosts import Host
from ..kills.every_step import kill_at_every_step
from ..kills.histories import (
    ALL,
    DISPUTE_WON,
    PAID,
    PAID_LATE,
    REFUND_FAILED,
    REFUNDED,
    History,
)
from ..kills.load import Load, assert_sold_once, deliver_under_fire, sell_under_fire
from ..kills.processes import ShopProcesses
from ..naive import shops
from ..stripe_stub import NewShop

pytestmark = pytest.mark.soak

WORKERS = 4
LONGEST_SECONDS = 1_200
NAIVE_SESSIONS = 150


def _id(value: object) -> str | None:
    return value.name.replace(" ", "_") if isinstance(value, History) else None


def _show(figures: Figures, load: Load) -> None:
    figures(
        sessions=load.sessions,
        deliveries=load.deliveries,
        kills=load.kills,
        lost=load.lost,
        doubled=load.doubled,
        terminated=load.terminated,
    )


def _show_steps(figures: Figures, load: Load) -> None:
    figures(**{"inside %": round(load.inside_percent, 1)})
    figures.detail("kills by step", dict(load.by_step.most_common()))


def test_random_kills_of_deliveries(host: Host, tmp_path: Path, figures: Figures) -> None:
    with ShopProcesses(host, tmp_path / "shop", workers=WORKERS) as shop:
        load = deliver_under_fire(shop, ALL, kills=scaled(2_000), seconds=LONGEST_SECONDS)
    _show(figures, load)
    _show_steps(figures, load)
    assert (load.lost, load.doubled) == (0, 0)
    assert load.inside_percent >= 90
    assert_invariants(host.app)


def test_random_kills_of_purchases(
    database_url: str, new_shop: NewShop, stripe: Sandbox, tmp_path: Path, figures: Figures
) -> None:
    host = new_shop(database_url)
    with ShopProcesses(host, tmp_path / "shop", workers=WORKERS, selling=True) as shop:
        load = sell_under_fire(shop, stripe, kills=scaled(300), seconds=LONGEST_SECONDS)
    _show(figures, load)
    _show_steps(figures, load)
    assert (load.lost, load.doubled) == (0, 0)
    assert_sold_once(host, stripe)
    assert_invariants(host.app)


@pytest.mark.parametrize(
    ("history", "before", "number"),
    [
        (PAID, (), 0),
        (PAID, (1,), 0),
        (PAID_LATE, (), 0),
        (PAID_LATE, (0,), 2),
        (REFUNDED, (0,), 2),
        (REFUNDED, (), 2),
        (REFUND_FAILED, (0, 2), 3),
        (DISPUTE_WON, (0,), 2),
        (DISPUTE_WON, (0, 2), 3),
    ],
    ids=_id,
)
def test_killed_at_every_call_of_a_function(
    host: Host,
    tmp_path: Path,
    figures: Figures,
    history: History,
    before: tuple[int, ...],
    number: int,
) -> None:
    with ShopProcesses(host, tmp_path / "shop", trace=True, every_call=True) as shop:
        outcome = kill_at_every_step(shop, history, number, before)
    figures(
        sessions=len(outcome.steps),
        kills=len(outcome.killed_at),
        lost=sum(left < history.credits for left in outcome.wrong.values()),
        doubled=sum(left > history.credits for left in outcome.wrong.values()),
    )
    assert outcome.wrong == {}
    assert outcome.killed_at == outcome.steps
    assert_invariants(host.app)


@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "killed"])
@pytest.mark.parametrize("handler", shops.NAIVE, ids=lambda handler: handler.__name__)
def test_the_usual_orders_of_steps(
    host: Host, tmp_path: Path, figures: Figures, handler: shops.Handler, killed: bool
) -> None:
    """Two events of every payment, each delivered twice, to the naive handlers."""
    with ShopProcesses(host, tmp_path / "shop", workers=WORKERS) as shop:
        shop.use(handler)
        load = deliver_under_fire(
            shop,
            [PAID],
            sessions=scaled(NAIVE_SESSIONS),
            seconds=LONGEST_SECONDS,
            peace=not killed,
        )
    _show(figures, load)
    if killed:
        assert (load.lost + load.doubled > 0) is (handler is not shops.guarded_update)
