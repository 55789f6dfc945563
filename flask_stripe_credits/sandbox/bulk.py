"""Many paid sessions at once, as if they had been paid long ago."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from . import balance, methods, sessions
from .clock import Clock
from .errors import invalid
from .objects import checkout, payments
from .store import Json
from .world import World

_BUYER = {"email": "buyer@example.com", "name": "Sandbox Buyer"}


class Sold(NamedTuple):
    """The ids of a session that was paid."""

    session: str
    payment_intent: str


class _Moment(Clock):
    """A clock that stands still."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def time(self) -> float:
        return self._seconds


def sell(world: World, all_params: Iterable[Json]) -> list[Sold]:
    """Open and pay sessions without events and webhooks, in one transaction.

    :param all_params: for each session those of ``POST /v1/checkout/sessions``, and ``created``
        (seconds since the epoch) unless it is now.
    :raises ApiError: when a session can't be opened, or costs nothing; then there is none at all.
    """
    sold = []
    with world.store.transaction():
        method = methods.create(world, {"card": {"token": "tok_visa"}, "billing_details": _BUYER})
        for params in all_params:
            given = {"ui_mode": "hosted_page", **params}
            then = _Moment(given.pop("created", world.clock.time()))
            sold.append(_sell(replace(world, clock=then), given, method))
    return sold


def _sell(world: World, params: Json, method: Json) -> Sold:
    session = sessions.create(world, params)
    if session["amount_total"] == 0:
        raise invalid("A session that costs nothing isn't paid.", param="line_items")
    intent = payments.intent_of(session, params.get("payment_intent_data", {}), world.now())
    charge = payments.charge(
        intent, method, world.now(), status="succeeded", url=world.url, captured=True
    )
    moved = balance.move(world, charge, charge["amount"], type="charge")
    world.store.add({**charge, "balance_transaction": moved["id"]})
    world.store.add(
        {
            **intent,
            "amount_received": intent["amount"],
            "latest_charge": charge["id"],
            "payment_method": method["id"],
            "status": "succeeded",
        }
    )
    billing = method["billing_details"]
    world.store.save(
        {
            **session,
            "customer_details": checkout.customer_details(billing, billing["email"]),
            "payment_intent": intent["id"],
            "payment_status": "paid",
            "status": "complete",
            "url": None,
        }
    )
    return Sold(session["id"], intent["id"])
