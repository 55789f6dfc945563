"""Bank debits under way: days after the buyer's order the bank pays, or doesn't."""

from __future__ import annotations

from . import balance, bank_accounts, events, sessions
from .bank_accounts import Debit
from .errors import ApiError, invalid
from .store import Json, Where
from .world import World


def settle(world: World, session_id: str, *, succeeded: bool | None = None) -> Json:
    """Have the bank pay for a session, or refuse to; return the session.

    Belongs into a transaction.

    :param succeeded: None for what the test account does; one that never says pays.
    :raises ApiError: when the session waits for no bank.
    """
    session = sessions.get(world, session_id)
    intent = world.store.get("payment_intent", session["payment_intent"] or "")
    if intent is None or intent["status"] != "processing":
        raise invalid(
            "This Checkout Session waits for no bank: its payment status is "
            f"`{session['payment_status']}`.",
            code="payment_intent_unexpected_state",
        )
    if succeeded is None:
        succeeded = _debit(world, intent) is not Debit.REFUSED
    charge = world.store.get("charge", intent["latest_charge"]) or {}
    settled = _pay if succeeded else _refuse
    return settled(world, session, intent, charge)


def settle_overdue(world: World, after_seconds: float) -> None:
    """Have the banks answer that took long enough, each as its test account does."""
    waiting = [
        Where("status", "=", "processing"),
        Where("created", "<=", world.clock.time() - after_seconds),
    ]
    if not world.store.find("payment_intent", waiting, limit=1):
        return
    with world.store.transaction():
        for intent in world.store.find("payment_intent", waiting):
            if _debit(world, intent) is not Debit.WAITS:
                settle(world, _session_of(world, intent)["id"])


def _session_of(world: World, intent: Json) -> Json:
    of_intent = [Where("payment_intent", "=", intent["id"])]
    return world.store.find("checkout.session", of_intent, limit=1)[0]


def _debit(world: World, intent: Json) -> Debit:
    return bank_accounts.BY_NUMBER[world.store.hidden(intent["payment_method"])["number"]].debit


def _pay(world: World, session: Json, intent: Json, charge: Json) -> Json:
    amount = intent["amount"]
    moved = balance.move(world, charge, amount, type="payment", category="charge")
    charge = {
        **charge,
        "amount_captured": amount,
        "balance_transaction": moved["id"],
        "captured": True,
        "paid": True,
        "status": "succeeded",
    }
    world.store.save(charge)
    events.record(world, "charge.succeeded", charge)
    intent = {**intent, "amount_received": amount, "status": "succeeded"}
    world.store.save(intent)
    events.record(world, "payment_intent.succeeded", intent)
    session = {**session, "payment_status": "paid"}
    world.store.save(session)
    events.record(world, "checkout.session.async_payment_succeeded", session)
    return session


def _refuse(world: World, session: Json, intent: Json, charge: Json) -> Json:
    error = ApiError(
        402,
        "invalid_request_error",
        "The customer's account has insufficient funds to cover this payment.",
        code="payment_intent_payment_attempt_failed",
    )
    charge = {
        **charge,
        "failure_code": "insufficient_funds",
        "failure_message": error.message,
        "status": "failed",
    }
    world.store.save(charge)
    events.record(world, "charge.failed", charge)
    method = world.store.get("payment_method", intent["payment_method"])
    intent = {
        **intent,
        "last_payment_error": {**error.details, "payment_method": method},
        "payment_method": None,
        "status": "requires_payment_method",
    }
    world.store.save(intent)
    events.record(world, "payment_intent.payment_failed", intent)
    events.record(world, "checkout.session.async_payment_failed", session)
    return session
