"""Refunds in processes of their own, each of which dies at one step of it.

Arguments: the database's URL, Stripe's, and which steps are counted: ``milestones`` (commits and
calls to Stripe) or ``all`` (statements too). Every line of the standard input is the name of a
way to refund, a purchase's id and the number of the step to die at, from 1; the answer is the
child's exit code, or minus the signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
import stripe  # noqa: F401 - once, not in every child
from sqlalchemy.engine.default import DefaultDialect

from flask_stripe_credits.errors import StripeCreditsError
from flask_stripe_credits.facts import record_refunds
from flask_stripe_credits.fulfillment import settle
from flask_stripe_credits.gateway import Gateway
from flask_stripe_credits.refunds import refund_purchase
from flask_stripe_credits.state import AppState

from ..hosts import Host, make_host

AMOUNT = 400


def ours(state: AppState, purchase_id: uuid.UUID) -> None:
    refund_purchase(state, purchase_id, amount=AMOUNT, reason=None, actor="olivia")


def stripe_first(state: AppState, purchase_id: uuid.UUID) -> None:
    """The order that comes to mind: ask Stripe, then write down that it was asked."""
    purchases = state.models.table(state.models.Purchase)
    with state.db.engine.connect() as connection:
        query = sa.select(purchases).where(purchases.c.id == purchase_id)
        purchase = connection.execute(query).mappings().one()
    if purchase["amount_refunded"] >= AMOUNT:
        return
    params = {"payment_intent": purchase["stripe_payment_intent_id"], "amount": AMOUNT}
    refund = state.gateway.create_refund(params, idempotency_key=str(uuid.uuid4()))
    settle(state, lambda uow: record_refunds(uow, [refund]), cause="naive")


WAYS = {"ours": ours, "stripe_first": stripe_first}


def around(owner: Any, name: str, burn: Callable[[], None]) -> None:
    original = getattr(owner, name)

    def patched(*arguments: Any, **options: Any) -> Any:
        burn()
        result = original(*arguments, **options)
        burn()
        return result

    setattr(owner, name, patched)


def refund_and_die(host: Host, steps: str, way: str, id: str, fuse: int) -> None:
    left = fuse

    def burn(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with host.app.app_context():
        for owner, name in (
            (Gateway, "create_refund"),
            (Gateway, "list_refunds_of"),
            (DefaultDialect, "do_commit"),
        ):
            around(owner, name, burn)
        if steps == "all":
            sa.event.listen(host.db.engine, "before_cursor_execute", burn)
        WAYS[way](host.state, uuid.UUID(id))


def warm_up(host: Host) -> None:
    """Import and compile what every child would; no connection may outlive the fork."""
    with host.app.app_context():
        with contextlib.suppress(StripeCreditsError):
            ours(host.state, uuid.uuid4())
        host.db.engine.dispose()


def in_a_child(refund: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            refund()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    database_url, stripe_url, steps = sys.argv[1:]
    shop = make_host(database_url, tables=False, STRIPE_CREDITS_API_BASE=stripe_url)
    warm_up(shop)
    for line in sys.stdin:
        way, id, fuse = line.split()
        one = partial(refund_and_die, shop, steps, way, id, int(fuse))
        print(in_a_child(one), flush=True)
