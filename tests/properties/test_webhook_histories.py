"""The same worlds through the signed webhook, on both databases: they do what the memory does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from random import Random, SystemRandom
from typing import Any

import pytest
import sqlalchemy as sa

from ..figures import Figures, scaled
from ..hosts import Host, make_host
from ..stripe_stub import StripeStub
from .memory import Memory
from .test_histories import check_end, state_of
from .worlds import Json, Sale, Told, World, make_world, shuffled


@pytest.fixture
def asking(database_url: str, stub: StripeStub, quick_retries: None) -> Iterator[Host]:
    """A host that asks a stub what was refunded, silent."""
    logging.disable()
    yield make_host(database_url, STRIPE_CREDITS_API_BASE=stub.url)
    logging.disable(logging.NOTSET)


def _sell(host: Host, sale: Sale) -> None:
    host.add_purchase(
        id=sale.id,
        user_id=sale.user_id,
        amount_credits=sale.credits,
        unit_amount=sale.amount,
        stripe_checkout_session_id=sale.session_id if sale.knows_session else None,
    )


def _deliver(host: Host, stub: StripeStub, told: Told, now: dict[str, tuple[Json, ...]]) -> None:
    if told.listed is not None:
        payment = told.document["data"]["object"]["payment_intent"]
        stub.answer({"object": "list", "data": now[payment], "has_more": False, "url": "/"})
    answer = host.post_event(told.document)
    assert answer.status_code == 200, answer.text


def _refunds_at_stripe(world: World) -> dict[str, tuple[Json, ...]]:
    """What Stripe answers when everything has happened, however late an event gets here."""
    return {
        told.document["data"]["object"]["payment_intent"]: told.listed
        for told in world.events
        if told.listed is not None
    }


def _read(host: Host, world: World) -> Memory:
    """What the database holds of this world, as the memory holds it."""
    memory = Memory(host.state, world.sales)
    memory.purchases = {sale.id: host.purchase(sale.id) for sale in world.sales}
    payments = [sale.payment_intent_id for sale in world.sales]
    memory.refunds = _rows(host, host.credits.Refund, "stripe_refund_id", payments)
    memory.disputes = _rows(host, host.credits.Dispute, "stripe_dispute_id", payments)
    for sale in world.sales:
        memory.grants += host.grants(purchase_id=sale.id)
    return memory


def _rows(host: Host, model: Any, key: str, payments: list[str]) -> dict[str, dict[str, Any]]:
    table = model.__table__
    query = sa.select(table).where(table.c.stripe_payment_intent_id.in_(payments))
    with host.app.app_context(), host.db.engine.connect() as connection:
        return {row[key]: dict(row) for row in connection.execute(query).mappings()}


def _remembered(host: Host, world: World) -> Memory:
    memory = Memory(host.state, world.sales)
    with host.app.app_context():
        for told in world.events:
            memory.deliver(told)
    return memory


def check_world(host: Host, stub: StripeStub, random: Random, number: int) -> int:
    """Returns how many events were delivered."""
    world = make_world(random, first=100 * number)
    for sale in world.sales:
        _sell(host, sale)
    order, now = shuffled(world, random), _refunds_at_stripe(world)
    for told in order:
        _deliver(host, stub, told, now)
    found = _read(host, world)
    check_end(found, world)
    assert state_of(found) == state_of(_remembered(host, world))
    for sale in world.sales:
        # What was booked is what was granted.
        assert host.ledger(sale.user_id) == [
            row["credits"] for row in host.grants(purchase_id=sale.id)
        ]
        assert host.balance(sale.user_id) == sale.balance
    return len(order)


def test_I1_I5_any_history_through_the_webhook(asking: Host, stub: StripeStub) -> None:
    for seed in range(1, 61):
        check_world(asking, stub, Random(seed), seed)


@pytest.mark.soak
def test_I1_I5_any_history_through_the_webhook_for_long(
    asking: Host, stub: StripeStub, figures: Figures
) -> None:
    seeds, delivered, count = SystemRandom(), 0, scaled(2_000)
    for number in range(1, count + 1):
        seed = seeds.getrandbits(64)
        try:
            delivered += check_world(asking, stub, Random(seed), number)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    figures(worlds=count, deliveries=delivered)
