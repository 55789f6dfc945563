"""Paying a session: a charge succeeds, is declined, asks for 3-D Secure, or waits for a bank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from . import cards, charging, events, sessions
from .cards import Behaviour
from .errors import ApiError, invalid
from .objects import checkout, payment_methods, payments
from .store import Json
from .world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt to pay ended.

    :ivar session: the checkout session after it.
    :ivar error: what the buyer is told when it was declined.
    :ivar completed_event: id of ``checkout.session.completed`` when the session is complete.
    """

    result: Literal["paid", "processing", "declined", "requires_action"]
    session: Json
    error: ApiError | None = None
    completed_event: str | None = None


class NotOpen(ApiError):
    """The session was paid or expired before.

    :ivar session: as it is.
    """

    def __init__(self, session: Json) -> None:
        super().__init__(
            400,
            "invalid_request_error",
            f"This Checkout Session can't be paid: its status is `{session['status']}`.",
            code="checkout_session_not_open",
        )
        self.session = session


def confirm(
    world: World, session_id: str, method: Json | None, *, expected_amount: int | None = None
) -> Outcome:
    """Pay a session with a payment method, all in one transaction.

    :param method: None only for a session that costs nothing.
    :param expected_amount: the total that the buyer saw, in minor units.
    :raises NotOpen: when it was paid or expired before: nobody pays twice.
    :raises ApiError: when the amount isn't the session's, or it doesn't take this kind of method.
    """
    with world.store.transaction():
        session = _open_session(world, session_id)
        if expected_amount is not None and expected_amount != session["amount_total"]:
            raise invalid(
                "The amount of this Checkout Session isn't the expected one: it is "
                f"{session['amount_total']}.",
                param="expected_amount",
                code="checkout_amount_mismatch",
            )
        if session["amount_total"] == 0:
            return _complete(world, session, method, intent=None)
        if method is None:
            raise invalid(
                "Missing required param: payment_method.",
                param="payment_method",
                code="parameter_missing",
            )
        if method["type"] not in session["payment_method_types"]:
            raise invalid(
                f"The payment method type '{method['type']}' is invalid for this Checkout Session. "
                f"It takes: {', '.join(session['payment_method_types'])}.",
                param="payment_method",
            )
        intent = _intent(world, session)
        session = _save(world, {**session, "payment_intent": intent["id"]})
        if method["type"] != "card":
            intent = charging.wait_for_bank(world, intent, method)
            return replace(_complete(world, session, method, intent), result="processing")
        behaviour = charging.behaviour(world, method)
        if behaviour in cards.DECLINES:
            return _decline(world, session, intent, method)
        if behaviour is Behaviour.AUTHENTICATES:
            return _ask_for_authentication(world, session, intent, method)
        return _charge(world, session, intent, method)


def authenticate(world: World, session_id: str, *, passed: bool) -> Outcome:
    """Answer the 3-D Secure question that a session's payment waits for.

    :raises NotOpen: when the session was paid or expired meanwhile.
    :raises ApiError: when nothing waits for an answer.
    """
    with world.store.transaction():
        session = _open_session(world, session_id)
        intent = waiting_intent(world, session)
        if intent is None:
            raise invalid(
                "This Checkout Session's payment doesn't wait for authentication.",
                code="payment_intent_unexpected_state",
            )
        method = world.store.get("payment_method", intent["payment_method"]) or {}
        if passed:
            return _charge(world, session, {**intent, "next_action": None}, method)
        error = ApiError(
            402,
            "invalid_request_error",
            "We are unable to authenticate your payment method. Please choose a different payment "
            "method and try again.",
            code="payment_intent_authentication_failure",
        )
        return _fail(world, session, intent, error, method)


def waiting_intent(world: World, session: Json) -> Json | None:
    """Return the payment intent of a session that waits for 3-D Secure, or None."""
    intent = world.store.get("payment_intent", session["payment_intent"] or "")
    return intent if intent and intent["status"] == "requires_action" else None


def _open_session(world: World, id: str) -> Json:
    session = sessions.get(world, id)
    if session["status"] != "open":
        raise NotOpen(session)
    return session


def _intent(world: World, session: Json) -> Json:
    existing = world.store.get("payment_intent", session["payment_intent"] or "")
    if existing is not None:
        return {**existing, "next_action": None}
    data = world.store.hidden(session["id"])["payment_intent_data"]
    intent = payments.intent_of(session, data, world.now())
    world.store.add(intent)
    events.record(world, "payment_intent.created", intent)
    return intent


def _save(world: World, body: Json) -> Json:
    world.store.save(body)
    return body


def _charge(world: World, session: Json, intent: Json, method: Json) -> Outcome:
    intent, charge = charging.succeed(world, intent, method)
    outcome = _complete(world, session, method, intent)
    charging.dispute(world, charge, method)
    return outcome


def _complete(world: World, session: Json, method: Json | None, intent: Json | None) -> Outcome:
    billing = method["billing_details"] if method else payment_methods.billing_details({})
    email = session["customer_email"] or billing["email"]
    session = {
        **session,
        "customer_details": checkout.customer_details(billing, email),
        "status": "complete",
        "url": None,
    }
    if session["customer_creation"] == "always":
        customer = checkout.customer({"email": email, "name": billing["name"]}, world.now())
        world.store.add(customer)
        events.record(world, "customer.created", customer)
        session["customer"] = customer["id"]
    if session["automatic_tax"]["enabled"]:
        session["automatic_tax"] = {**session["automatic_tax"], "status": "complete"}
    if intent is not None:
        intent = charging.tell(world, {**intent, "customer": session["customer"]})
        session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
    world.store.save(session)
    completed = events.record(world, "checkout.session.completed", session)
    return Outcome("paid", session, completed_event=completed["id"])


def _decline(world: World, session: Json, intent: Json, method: Json) -> Outcome:
    return _fail(world, session, *charging.decline(world, intent, method), method)


def _fail(world: World, session: Json, intent: Json, error: ApiError, method: Json) -> Outcome:
    return Outcome("declined", session, error=charging.fail(world, intent, method, error))


def _ask_for_authentication(world: World, session: Json, intent: Json, method: Json) -> Outcome:
    page = f"{session['url']}/authenticate"
    intent = {
        **intent,
        "next_action": {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": page, "return_url": session["url"]},
        },
        "payment_method": method["id"],
        "status": "requires_action",
    }
    charging.tell(world, intent)
    return Outcome("requires_action", session)
