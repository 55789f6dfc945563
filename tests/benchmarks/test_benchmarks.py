"""Every benchmark runs, at its smallest, and counts nothing that wasn't done exactly once."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ..payloads import encode, sign
from . import outbox, report, traffic
from .__main__ import PARTS, both
from .databases import Databases
from .measuring import Contestant, Request, measure
from .reference import Reference
from .sizes import SMALL
from .summary import summary
from .throughput import gunicorn, limited_to, run
from .webhook import ByHand, Sale, sales

pytestmark = pytest.mark.xdist_group("benchmarks")


@pytest.fixture(scope="module")
def made() -> Iterator[Mapping[str, Databases]]:
    with both() as databases:
        yield databases


@pytest.fixture(autouse=True)
def few_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = (traffic.ONE_WORKER, traffic.TWO_WORKERS, traffic.ONE_CORE, traffic.TWO_CORES)
    monkeypatch.setattr(traffic, "LOADS", pairs)
    monkeypatch.setattr(traffic, "WORKERS", (1,))
    monkeypatch.setattr(outbox, "WORKERS", (1, 2))


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_figures(made: Mapping[str, Databases], part: str) -> None:
    assert PARTS[part](made, SMALL)


def test_a_part_is_written_alone(tmp_path: Path) -> None:
    page = Path(shutil.copy(report.PAGE, tmp_path))
    before = page.read_text()
    for part in PARTS:
        report.write(part, f"figures of {part}", page)
    after = page.read_text()
    assert [after.count(f"figures of {part}\n") for part in PARTS] == [1] * len(PARTS)
    assert before.splitlines()[0] == after.splitlines()[0]
    with pytest.raises(ValueError, match="no <!-- another"):
        report.write("another", "figures", page)


def test_the_page_is_summed_up_from_its_own_tables() -> None:
    page = report.PAGE.read_text()
    assert report.part("summary", page) == summary(page)
    assert "not measured" not in summary(page)


@pytest.mark.parametrize(
    ("row", "met"),
    [
        ("| ours | 9 ms | 0.65 | 1,999 |", "yes"),
        ("| ours | 9 ms | 0.66 (0.60 to 0.70) | 2001 |", "**no**"),
        ("| reference | 9 ms | 0.10 | 100 |", "**no**"),
    ],
)
def test_a_figure_that_is_not_what_we_ask_is_told_as_such(
    tmp_path: Path, row: str, met: str
) -> None:
    page = Path(shutil.copy(report.PAGE, tmp_path))
    header = "|  | CPU | of the reference's (rounds) | Python calls |"
    report.write("webhook", f"SQLite:\n\n{header}\n| --- |\n{row}", page)
    cpu, calls, *_ = [line for line in summary(page.read_text()).splitlines() if "SQLite" in line]
    assert cpu.endswith(f" at most 0.65 | {met} |")
    assert calls.endswith(f" at most 2,000 | {met} |")


def test_lost_deliveries_count_for_nothing(made: Mapping[str, Databases]) -> None:
    (sale,) = sales(made["sqlite"], "ours").values()
    lossy = Contestant("lossy", sale.shop.app, lambda n: sale.first_deliveries(n)[1:], sale.check)
    with pytest.raises(AssertionError, match="after 4 purchases"):
        measure([lossy], rounds=1, batch=4)


class Careless(Reference):
    """Books a purchase whenever an event says that it was paid."""

    def _complete(self, session: Any) -> None:
        purchases = self.Purchase
        found = sa.select(purchases).where(purchases.session_id == session.id)
        purchase = self.db.session.scalars(found).one()
        entry = {"user_id": purchase.user_id, "purchase_id": purchase.id}
        self.db.session.add(self.LedgerEntry(**entry, credits=purchase.credits))


class CarelessShop(ByHand):
    reference_class = Careless


@pytest.mark.parametrize("shop", [ByHand, CarelessShop])
def test_doubled_purchases_count_for_nothing(
    made: Mapping[str, Databases], shop: type[ByHand]
) -> None:
    secret = f"whsec_{secrets.token_hex(16)}"
    sale = Sale(shop(made["sqlite"].create(), secret), secret)

    def two_events_each(count: int) -> list[Request]:
        first = sale.first_deliveries(count)
        return first + [_another_event(one, secret) for one in first]

    contestant = Contestant(shop.name, sale.shop.app, two_events_each, sale.check)
    if shop is ByHand:
        measure([contestant], rounds=1, batch=2)
    else:
        with pytest.raises(AssertionError, match="after 2 purchases"):
            measure([contestant], rounds=1, batch=2)


def _another_event(request: Request, secret: str) -> Request:
    event = json.loads(request.body) | {"id": f"evt_{secrets.token_hex(12)}"}
    body = encode(event)
    return Request(request.method, request.path, body, {"Stripe-Signature": sign(body, secret)})


def test_cores_that_are_taken_away_are_given_back(made: Mapping[str, Databases]) -> None:
    def may_use() -> list[int]:
        return [len(os.sched_getaffinity(pid)) for pid in (0, *made["postgresql"].processes())]

    before = may_use()
    with limited_to(1, made["postgresql"]):
        assert set(may_use()) == {1}
    assert set(may_use()) == set(before)


def test_refused_deliveries_count_for_nothing(made: Mapping[str, Databases]) -> None:
    (sale,) = sales(made["postgresql"], "ours").values()
    with gunicorn(sale, 1, *traffic.THREADS) as server:
        asked: Any = {"requests": 8, "connections": 2}
        run(sale, server, made["postgresql"], **asked, keep_alive=True)
        sale.secret = f"whsec_{secrets.token_hex(16)}"
        with pytest.raises(AssertionError, match=r"HTTP/1\.1 400"):
            run(sale, server, made["postgresql"], **asked)
