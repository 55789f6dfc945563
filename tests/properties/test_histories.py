"""Whatever happened, however it is told, the end is the same, and it is the right one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from random import Random, SystemRandom
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..figures import Figures, scaled
from ..hosts import Host, make_host
from ..profiles import short
from .memory import Memory
from .worlds import Told, World, make_world, shuffled

OUTPUTS = ("status", "amount_paid", "amount_refunded", "credits_revoked", "review_reason")
IDS = ("stripe_checkout_session_id", "stripe_payment_intent_id")
FACTS = ("stripe_payment_intent_id", "amount", "currency", "live_rank", "status")
# When something happened isn't part of the state, but that it did is.
MOMENTS = ("session_completed_at", "paid_at", "failed_at", "expired_at")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """An app with a receiver, silent; its database stays empty."""
    url = f"sqlite:///{tmp_path_factory.mktemp('memory') / 'unused.sqlite'}"
    host = make_host(url, receiver=lambda grant: None, tables=False)
    logging.disable()
    with host.app.app_context():
        yield host
    logging.disable(logging.NOTSET)


def state_of(memory: Memory) -> dict[str, Any]:
    """All that has to be the same whatever the order was, of the payments of this world."""
    payments = {sale.payment_intent_id for sale in memory.sales}
    # Hints that say what is known already are not followed: two refunds may stand for each other.
    told = {sale.payment_intent_id for sale in memory.sales if not sale.hinted}
    return {
        "purchases": [
            {name: row[name] for name in OUTPUTS + IDS}
            | {name: row[name] is not None for name in MOMENTS}
            for row in memory.purchases.values()
        ],
        "refunds": _facts(memory.refunds, told),
        "disputes": _facts(memory.disputes, payments),
        "balances": {key: balance(memory, key) for key in memory.purchases},
    }


def _facts(rows: dict[str, dict[str, Any]], payments: set[str]) -> dict[str, tuple[Any, ...]]:
    return {
        key: tuple(row[name] for name in FACTS)
        for key, row in rows.items()
        # One in another currency is kept or not, by what was known when it was told; it never
        # counts.
        if row["stripe_payment_intent_id"] in payments and row["currency"] == "usd"
    }


def balance(memory: Memory, purchase_id: object) -> int:
    return sum(row["credits"] for row in memory.grants if row["purchase_id"] == purchase_id)


def check_end(memory: Memory, world: World) -> None:
    for sale in world.sales:
        row = memory.purchases[sale.id]
        assert balance(memory, sale.id) == sale.balance
        assert row["status"] == sale.status
        assert row["amount_paid"] == (sale.amount if sale.is_paid else None)
        assert row["amount_refunded"] == sale.amount_refunded
        assert row["credits_revoked"] == sale.credits_revoked


def check_step(memory: Memory, before: dict[Any, dict[str, Any]], told: Told) -> None:
    """What must hold after each event."""
    for sale_id, row in memory.purchases.items():
        assert 0 <= balance(memory, sale_id) <= row["amount_credits"]
        assert 0 <= row["credits_revoked"] <= row["amount_credits"]
        assert 0 <= row["amount_refunded"] <= (row["amount_paid"] or 0)
        for name in MOMENTS + IDS + ("amount_paid",):
            assert before[sale_id][name] in (None, row[name]), f"{name} moved back"


def tell(host: Host, world: World, events: list[Told]) -> Memory:
    memory = Memory(host.state, world.sales)
    for told in events:
        before = {key: dict(row) for key, row in memory.purchases.items()}
        grants = list(memory.grants)
        memory.deliver(told)
        assert memory.grants[: len(grants)] == grants
        assert len(memory.grants) <= len(grants) + 1
        check_step(memory, before, told)
    return memory


def check_world(host: Host, world: World, order: list[Told]) -> int:
    as_it_happened = tell(host, world, list(world.events))
    mixed_up = tell(host, world, order)
    check_end(mixed_up, world)
    assert state_of(mixed_up) == state_of(as_it_happened)
    count = len(mixed_up.grants)
    for told in order:
        mixed_up.deliver(told)
    assert len(mixed_up.grants) == count, "told once more, credits moved again"
    for sale in world.sales:
        purchases = [row for row in mixed_up.grants if row["purchase_id"] == sale.id]
        assert [row["reason"] for row in purchases].count("purchase") <= 1
        assert [row["sequence"] for row in purchases] == list(range(1, len(purchases) + 1))
    return 3 * len(order)


def check_worlds(host: Host, seeds: Iterable[int]) -> int:
    """Return how many events were delivered. A seed that fails makes the same world again."""
    delivered = 0
    for seed in seeds:
        random = Random(seed)
        world = make_world(random)
        try:
            delivered += check_world(host, world, shuffled(world, random))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return delivered


class Drawn:
    """As much of ``Random`` as worlds are made with, drawn by hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def randint(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def choice(self, items: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(items))

    def choices(self, items: Sequence[Any], *, k: int) -> list[Any]:
        return [self.choice(items) for _ in range(k)]

    def shuffle(self, items: list[Any]) -> None:
        items[:] = self._draw(st.permutations(items))


@st.composite
def told_worlds(draw: st.DrawFn) -> tuple[World, list[Told]]:
    random: Any = Drawn(draw)
    world = make_world(random)
    return world, shuffled(world, random)


@short(300)
@given(told_worlds())
def test_I1_I5_I6_any_history_told_in_any_order_ends_in_the_same_place(
    host: Host, told_world: tuple[World, list[Told]]
) -> None:
    """Few worlds, but when one fails hypothesis makes it small."""
    check_world(host, *told_world)


def test_I1_I5_I6_B20_B21_B22_B25_B26_B27_the_same_in_many_worlds(host: Host) -> None:
    check_worlds(host, range(1_000))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(2))
def test_I1_I5_I6_any_history_told_in_any_order_for_long(
    host: Host, part: int, figures: Figures
) -> None:
    seeds = [SystemRandom().getrandbits(64) for _ in range(scaled(50_000))]
    figures(worlds=len(seeds), deliveries=check_worlds(host, seeds))
