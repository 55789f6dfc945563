"""Payment intents that the API makes, without a checkout session."""

from __future__ import annotations

from dataclasses import dataclass

from ..money import Money, smallest_step
from . import balance, cards, charging, events, methods, sessions
from .cards import Behaviour
from .errors import ApiError, invalid, missing, no_such
from .objects import payments
from .store import Json, Where
from .world import World

_MAY_BE_CONFIRMED = ("requires_payment_method", "requires_confirmation")
_MAY_BE_CANCELED = (*_MAY_BE_CONFIRMED, "requires_action")


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    :ivar error: what the caller is told when the payment was declined; the intent stays.
    """

    intent: Json
    error: ApiError | None = None


def create(world: World, params: Json) -> Json:
    """Keep a new intent; belongs into a transaction.

    :param params: those of ``POST /v1/payment_intents``, already checked one by one.
    :raises ApiError: when they don't fit each other or what exists.
    """
    if "customer" in params and world.store.get("customer", params["customer"]) is None:
        raise no_such("customer", params["customer"], param="customer", status=400)
    _check_amount(params["amount"], params["currency"])
    method = methods.named(world, params["payment_method"]) if "payment_method" in params else None
    held = params.get("capture_method") == "manual"
    types = methods.offered(params, params["currency"], held=held)
    intent = payments.payment_intent(
        params,
        world.now(),
        amount=params["amount"],
        currency=params["currency"],
        customer=params.get("customer"),
        method_types=types,
    )
    if method is not None:
        _check_type(intent, method)
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    world.store.add(intent)
    events.record(world, "payment_intent.created", intent)
    return intent


def _check_amount(amount: int, currency: str) -> None:
    least = sessions.SMALLEST_CHARGE.get(currency, 1)
    if amount < least:
        raise invalid(
            f"Amount must be at least {Money(least, currency)} {currency}",
            param="amount",
            code="amount_too_small",
        )
    if amount % smallest_step(currency):
        raise invalid(
            f"Amounts in {currency} must be multiples of {smallest_step(currency)}.", param="amount"
        )


def _check_type(intent: Json, method: Json) -> None:
    if method["type"] not in intent["payment_method_types"]:
        raise invalid(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. "
            f"It takes: {', '.join(intent['payment_method_types'])}.",
            param="payment_method",
        )


def get(world: World, id: str) -> Json:
    """Return an intent.

    :raises ApiError: 404 when there is none.
    """
    intent = world.store.get("payment_intent", id)
    if intent is None:
        raise no_such("payment_intent", id, param="intent")
    return intent


def confirm(
    world: World, intent: Json, method_id: str | None = None, *, off_session: bool = False
) -> Attempt:
    """Try to pay an intent; belongs into a transaction.

    :param method_id: None for the one that the intent has.
    :param off_session: whether the buyer is away, and can't answer 3-D Secure.
    :raises ApiError: when it isn't to be paid, or has no such payment method.
    """
    _check_own(world, intent, "confirm")
    _check_status(intent, "confirm", _MAY_BE_CONFIRMED)
    method_id = method_id or intent["payment_method"]
    if method_id is None:
        raise missing("payment_method")
    method = methods.named(world, method_id)
    _check_type(intent, method)
    if method["type"] != "card":
        return Attempt(charging.tell(world, charging.wait_for_bank(world, intent, method)))
    behaviour = charging.behaviour(world, method)
    if behaviour is Behaviour.AUTHENTICATES and not off_session:
        return Attempt(_ask_for_authentication(world, intent, method))
    if behaviour is Behaviour.AUTHENTICATES or behaviour in cards.DECLINES:
        away = behaviour is Behaviour.AUTHENTICATES
        refuse = charging.demand_the_buyer if away else charging.decline
        intent, error = refuse(world, intent, method)
        return Attempt(intent, charging.fail(world, intent, method, error))
    intent, charge = charging.succeed(world, intent, method)
    charging.tell(world, intent)
    charging.dispute(world, charge, method)
    return Attempt(intent)


def _ask_for_authentication(world: World, intent: Json, method: Json) -> Json:
    # Only Stripe's own scripts in the buyer's browser could take the next step.
    action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    changes = {"next_action": action, "payment_method": method["id"], "status": "requires_action"}
    return charging.tell(world, {**intent, **changes})


def capture(world: World, id: str, amount: int | None) -> Json:
    """Take the money that a card only held; belongs into a transaction.

    :param amount: minor units; None for all of it. What is left is released.
    :raises ApiError: when nothing is held, or not so much.
    """
    intent = get(world, id)
    _check_status(intent, "capture", ("requires_capture",))
    amount = intent["amount_capturable"] if amount is None else amount
    if amount > intent["amount_capturable"]:
        raise invalid(
            f"The requested capture amount is greater than the authorized amount: {amount}.",
            param="amount_to_capture",
            code="amount_too_large",
        )
    charge = world.store.get("charge", intent["latest_charge"]) or {}
    moved = balance.move(world, charge, amount, type="charge")
    charge |= {"amount_captured": amount, "balance_transaction": moved["id"], "captured": True}
    world.store.save(charge)
    events.record(world, "charge.captured", charge)
    changes = {"amount_capturable": 0, "amount_received": amount, "status": "succeeded"}
    return charging.tell(world, {**intent, **changes})


def cancel(world: World, id: str, reason: str | None) -> Json:
    """End an intent that nobody paid; belongs into a transaction.

    :raises ApiError: when it was paid, is on its way, or belongs to a checkout session.
    """
    intent = get(world, id)
    _check_own(world, intent, "cancel")
    _check_status(intent, "cancel", _MAY_BE_CANCELED)
    changes = {
        "canceled_at": world.now(),
        "cancellation_reason": reason,
        "next_action": None,
        "status": "canceled",
    }
    return charging.tell(world, {**intent, **changes})


def _check_status(intent: Json, verb: str, allowed: tuple[str, ...]) -> None:
    if intent["status"] not in allowed:
        error = invalid(
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}. "
            f"Only a PaymentIntent with one of the following statuses may be {verb}"
            f"{'d' if verb.endswith('e') else 'ed'}: {', '.join(allowed)}.",
            code="payment_intent_unexpected_state",
        )
        error.details["payment_intent"] = intent
        raise error


def _check_own(world: World, intent: Json, verb: str) -> None:
    of_intent = [Where("payment_intent", "=", intent["id"])]
    if world.store.find("checkout.session", of_intent, limit=1):
        raise invalid(
            f"You cannot {verb} this PaymentIntent because it was created by Checkout. To end it, "
            "expire its Checkout Session."
        )
