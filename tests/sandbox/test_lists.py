"""Lists of many sessions: complete, in order, and no slower for what they don't show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from flask_stripe_credits.sandbox import ApiError, Sandbox, sessions

from .conftest import open_session, session_params

DAY = 24 * 60 * 60


def sell(
    client: stripe.StripeClient, sandbox: Sandbox, count: int, *, seconds_apart: int = 0
) -> list[Any]:
    """Have ``count`` sessions paid, the last one now; return their ids, oldest first."""
    product = client.v1.products.create({"name": "Pack"}).id
    price = client.v1.prices.create({"product": product, "currency": "usd", "unit_amount": 1000})
    now = sandbox.clock.now()

    def all_params() -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield {
                **session_params(line_items=[{"price": price.id, "quantity": 1}]),
                "metadata": {"purchase_id": f"p{number}"},
                "created": now - seconds_apart * (count - 1 - number),
            }

    return list(sandbox.sell(all_params()))


def listed(client: stripe.StripeClient, **params: Any) -> list[str]:
    given: Any = {"limit": 100, **params}
    found = client.v1.checkout.sessions.list(given).auto_paging_iter()
    return [session.id for session in found]


def test_sessions_sold_in_bulk_are_like_those_that_a_buyer_paid(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    (sold,) = sell(client, sandbox, 1)
    bought = sandbox.pay(open_session(client, metadata={"purchase_id": "p0"}).id).session
    session = sandbox.session(sold.session)
    differ = {name for name in bought | session if bought.get(name) != session.get(name)}
    assert differ - {"created", "expires_at"} == {"id", "payment_intent", "customer_details"}
    intent: Any = client.v1.payment_intents.retrieve(
        sold.payment_intent, {"expand": ["latest_charge.balance_transaction"]}
    )
    assert (intent.id, intent.status, intent.amount_received) == (
        sold.payment_intent,
        "succeeded",
        1000,
    )
    assert intent.latest_charge.balance_transaction.amount == 1000
    assert sandbox.refund(sold.payment_intent)["amount"] == 1000
    assert len(sandbox.events("checkout.session.completed")) == 1


def test_one_that_cannot_be_opened_leaves_none(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    price = {"currency": "usd", "unit_amount": 0, "product_data": {"name": "Free"}}
    good, free = (
        session_params(),
        session_params(line_items=[{"price_data": price, "quantity": 1}]),
    )
    with pytest.raises(ApiError, match="costs nothing"):
        sandbox.sell([good, free])
    assert sandbox.objects("checkout.session") == []
    assert sandbox.objects("charge") == []


def test_pages_hold_every_session_once_though_all_are_of_one_second(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    ids = [sold.session for sold in sell(client, sandbox, 250)]
    assert listed(client) == ids[::-1]
    assert listed(client, ending_before=ids[100]) == ids[101:]
    assert listed(client, starting_after=ids[100]) == ids[:100][::-1]


def test_lists_are_ordered_by_time_not_by_when_the_sandbox_heard_of_it(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    new = open_session(client).id
    old = [
        sold.session
        for sold in sandbox.sell(
            {**session_params(), "created": sandbox.clock.now() - days * DAY} for days in (1, 3, 2)
        )
    ]
    assert listed(client) == [new, old[0], old[2], old[1]]
    assert listed(client, starting_after=old[0]) == [old[2], old[1]]
    since = {"gte": sandbox.clock.now() - 2 * DAY - 60, "lt": sandbox.clock.now() - 60}
    assert listed(client, created=since) == [old[0], old[2]]


def test_filters_work_together(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    sold = sell(client, sandbox, 5, seconds_apart=DAY)
    customer = client.v1.customers.create({"email": "a@example.com"}).id
    hers, pending = open_session(client, customer=customer).id, open_session(client).id
    sandbox.expire(open_session(client).id)
    sandbox.pay(hers)
    now = sandbox.clock.now()
    assert listed(client, status="open") == [pending]
    assert len(listed(client, status="expired")) == 1
    assert len(listed(client, status="complete")) == 6
    assert len(listed(client, status="complete", created={"gt": now - 2 * DAY - 60})) == 4
    assert listed(client, customer=customer) == [hers]
    assert listed(client, payment_intent=sold[2].payment_intent) == [sold[2].session]
    assert listed(client, payment_intent=sold[2].payment_intent, status="open") == []


def steps(sandbox: Sandbox, work: Callable[[], object]) -> int:
    """Return how many steps SQLite needs for some work, in tens."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    sandbox.store._db.set_progress_handler(step, 10)
    work()
    sandbox.store._db.set_progress_handler(None, 0)
    return count


QUERIES: dict[str, Callable[[list[Any], int], dict[str, Any]]] = {
    "newest": lambda sold, now: {"status": "complete"},
    "last page": lambda sold, now: {"status": "complete", "starting_after": sold[20].session},
    "last page of a time": lambda sold, now: {
        "created": {"gte": now - 8},
        "starting_after": sold[-3].session,
    },
    "one payment": lambda sold, now: {"payment_intent": sold[7].payment_intent},
    "few of many": lambda sold, now: {"status": "open"},
    "backwards": lambda sold, now: {"ending_before": sold[-20].session},
    "nobody's": lambda sold, now: {"customer": "cus_none"},
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_page_costs_the_same_whatever_else_there_is(
    client: stripe.StripeClient, sandbox: Sandbox, name: str
) -> None:
    def page(sold: list[Any]) -> int:
        params: Any = {"limit": 10, **QUERIES[name](sold, sandbox.clock.now())}
        return steps(sandbox, lambda: client.v1.checkout.sessions.list(params))

    few = page(sell(client, sandbox, 60, seconds_apart=1))
    many = page(sell(client, sandbox, 1200, seconds_apart=1))
    assert many <= few + 20


def test_open_sessions_cost_nothing_before_they_expire(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    def page() -> int:
        return steps(sandbox, lambda: client.v1.checkout.sessions.list({"limit": 10}))

    params = {**session_params(), "ui_mode": "hosted_page"}
    for _ in range(20):
        sessions.create(sandbox._world, params)
    few = page()
    with sandbox.store.transaction():
        for _ in range(600):
            sessions.create(sandbox._world, params)
    assert page() <= few + 20
    sandbox.advance(DAY + 60)
    assert len(listed(client, status="expired")) == 620
    assert len(sandbox.events("checkout.session.expired")) == 620


def test_refunding_costs_the_same_after_many_refunds_and_disputes(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    sold = sell(client, sandbox, 300)
    first = steps(sandbox, lambda: sandbox.refund(sold[0].payment_intent))
    with sandbox.store.transaction():
        for each in sold[1:-1]:
            sandbox.dispute(each.payment_intent)
    assert steps(sandbox, lambda: sandbox.refund(sold[-1].payment_intent)) <= first + 20
