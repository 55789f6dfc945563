"""C03, C05, C13: processes that are killed at random under load lose and double nothing."""

from __future__ import annotations

from pathlib import Path

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.testing import assert_invariants

from ..hosts import Host
from ..naive.shops import complete_then_signal
from ..stripe_stub import NewShop
from .histories import ALL, PAID
from .load import assert_sold_once, deliver_under_fire, sell_under_fire
from .processes import ShopProcesses

WORKERS = 4
LONGEST_SECONDS = 120
# Of twenty purchases each; most runs need one.
MOST_TRIES = 50


def test_C03_C05_C13_random_kills_under_load(host: Host, tmp_path: Path) -> None:
    with ShopProcesses(host, tmp_path / "shop", workers=WORKERS) as shop:
        load = deliver_under_fire(shop, ALL, sessions=20, kills=20, seconds=LONGEST_SECONDS)
    assert (load.lost, load.doubled) == (0, 0)
    assert load.inside_percent >= 80
    assert len(load.by_step) >= 5
    assert_invariants(host.app)
    booked = {entry["id"]: entry["credits"] for entry in host.rows(host.LedgerEntry)}
    assert booked == {str(grant["id"]): grant["credits"] for grant in host.grants()}


def test_C01_C02_C13_random_kills_while_selling(
    database_url: str, new_shop: NewShop, stripe: Sandbox, tmp_path: Path
) -> None:
    host = new_shop(database_url)
    with ShopProcesses(host, tmp_path / "shop", workers=WORKERS, selling=True) as shop:
        load = sell_under_fire(shop, stripe, buyers=20, kills=15, seconds=LONGEST_SECONDS)
    assert (load.lost, load.doubled) == (0, 0)
    assert_sold_once(host, stripe)


def test_C03_the_guides_order_of_steps_loses_or_doubles_under_load(
    host: Host, tmp_path: Path
) -> None:
    wrong = 0
    with ShopProcesses(host, tmp_path / "shop", workers=WORKERS) as shop:
        shop.use(complete_then_signal)
        for _ in range(MOST_TRIES):
            load = deliver_under_fire(shop, [PAID], sessions=1, seconds=LONGEST_SECONDS)
            wrong += load.lost + load.doubled
            if wrong:
                break
    assert wrong
