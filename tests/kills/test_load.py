"""C03, C05, C13: processes that are killed at random under load lose and double nothing."""

from __future__ import annotations

from pathlib import Path

from ..hosts import Host
from ..naive.shops import complete_then_signal
from .histories import PAID, SESSIONS
from .load import deliver_under_fire
from .processes import ShopProcesses

WORKERS = 4
LONGEST_SECONDS = 120


def test_C03_C05_C13_random_kills_under_load(host: Host, tmp_path: Path) -> None:
    with ShopProcesses(host, tmp_path / "shop", workers=WORKERS) as shop:
        load = deliver_under_fire(shop, SESSIONS, sessions=80, kills=50, seconds=LONGEST_SECONDS)
    assert (load.lost, load.doubled) == (0, 0)
    assert load.inside_percent >= 80
    assert len(load.by_step) >= 8
    booked = {entry["id"]: entry["credits"] for entry in host.rows(host.LedgerEntry)}
    assert booked == {str(grant["id"]): grant["credits"] for grant in host.grants()}


def test_C03_the_guides_order_of_steps_loses_or_doubles_under_load(
    host: Host, tmp_path: Path
) -> None:
    with ShopProcesses(
        host, tmp_path / "shop", workers=WORKERS, handler=complete_then_signal
    ) as shop:
        load = deliver_under_fire(shop, [PAID], sessions=80, seconds=LONGEST_SECONDS)
    assert load.lost + load.doubled > 0
