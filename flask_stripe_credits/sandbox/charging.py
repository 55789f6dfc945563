"""Charging a payment intent, whether a checkout session or the API asks for it.

These functions keep charges and tell of them; the intent that they return is the caller's to keep.
"""

from __future__ import annotations

from . import balance, bank_accounts, cards, disputes, events
from .bank_accounts import Debit
from .cards import Behaviour
from .errors import ApiError, card_error
from .objects import payments
from .store import Json
from .world import World

# The event that tells what a payment intent became.
_TOLD = {
    "canceled": "payment_intent.canceled",
    "processing": "payment_intent.processing",
    "requires_action": "payment_intent.requires_action",
    "requires_capture": "payment_intent.amount_capturable_updated",
    "requires_payment_method": "payment_intent.payment_failed",
    "succeeded": "payment_intent.succeeded",
}


def tell(world: World, intent: Json) -> Json:
    """Keep an intent whose status changed, tell of it, and return it."""
    world.store.save(intent)
    events.record(world, _TOLD[intent["status"]], intent)
    return intent


def behaviour(world: World, method: Json) -> Behaviour:
    """Return what a card does when it is charged."""
    return cards.BY_NUMBER[world.store.hidden(method["id"])["number"]].behaviour


def debit(world: World, intent: Json) -> Debit:
    """Return what becomes of a debit that is under way."""
    return bank_accounts.BY_NUMBER[world.store.hidden(intent["payment_method"])["number"]].debit


def succeed(world: World, intent: Json, method: Json) -> tuple[Json, Json]:
    """Take the money from a card, or only hold it; return the intent and the charge."""
    captured = intent["capture_method"] != "manual"
    charge = payments.charge(
        intent, method, world.now(), status="succeeded", url=world.url, captured=captured
    )
    amount = intent["amount"]
    if captured:
        moved = balance.move(world, charge, amount, type="charge")
        charge["balance_transaction"] = moved["id"]
    world.store.add(charge)
    events.record(world, "charge.succeeded", charge)
    changes = {
        "amount_capturable": 0 if captured else amount,
        "amount_received": amount if captured else 0,
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "payment_method": method["id"],
        "status": "succeeded" if captured else "requires_capture",
    }
    return {**intent, **changes}, charge


def dispute(world: World, charge: Json, method: Json) -> None:
    """Have the buyer's bank dispute a charge, if the card is one that does so by itself."""
    card = behaviour(world, method)
    if charge["captured"] and card in (Behaviour.DISPUTED, Behaviour.INQUIRED):
        inquiry = card is Behaviour.INQUIRED
        disputes.create(world, charge, amount=None, reason="fraudulent", inquiry=inquiry)


def wait_for_bank(world: World, intent: Json, method: Json) -> Json:
    """Begin a debit, whose money comes some days later, or never; return the intent."""
    charge = payments.charge(intent, method, world.now(), status="pending", url=world.url)
    world.store.add(charge)
    events.record(world, "charge.pending", charge)
    return {
        **intent,
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "payment_method": method["id"],
        "status": "processing",
    }


def decline(world: World, intent: Json, method: Json) -> tuple[Json, ApiError]:
    """Refuse a card; return the intent, and the error without the intent in it."""
    why = cards.DECLINES[behaviour(world, method)]
    error = card_error(why.message, code=why.code, decline_code=why.decline_code)
    return _declined(world, intent, method, error)


def demand_the_buyer(world: World, intent: Json, method: Json) -> tuple[Json, ApiError]:
    """Refuse a card that asks for 3-D Secure while its owner isn't there to answer."""
    error = card_error(
        "Your card was declined. This transaction requires authentication.",
        code="authentication_required",
        decline_code="authentication_required",
    )
    return _declined(world, intent, method, error)


def _declined(world: World, intent: Json, method: Json, error: ApiError) -> tuple[Json, ApiError]:
    charge = payments.charge(
        intent, method, world.now(), status="failed", url=world.url, failure=error.details
    )
    world.store.add(charge)
    events.record(world, "charge.failed", charge)
    error.details["charge"] = charge["id"]
    return {**intent, "latest_charge": charge["id"]}, error


def fail(world: World, intent: Json, method: Json, error: ApiError) -> ApiError:
    """Have an attempt to pay end; keep the intent for the next one, and tell of it.

    :return: the error as it is shown, with the intent and the payment method in it.
    """
    failed = {
        **intent,
        "last_payment_error": {**error.details, "payment_method": method},
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    tell(world, failed)
    shown = ApiError(error.status, error.details["type"], error.message)
    shown.details = {**error.details, "payment_intent": failed, "payment_method": method}
    return shown
