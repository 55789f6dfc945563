"""Bank debits under way: days after the buyer's order the bank pays, or doesn't."""

from __future__ import annotations

from . import balance, charging, events, sessions
from .bank_accounts import Debit
from .errors import ApiError, invalid
from .objects.payments import receipt_url
from .store import Json, Where
from .world import World


def settle(world: World, id: str, *, succeeded: bool | None = None) -> Json:
    """Have the bank pay a debit, or refuse to; belongs into a transaction.

    :param id: the session's or the payment intent's.
    :param succeeded: None for what the test account does; one that never says pays.
    :return: the session, or the payment intent when it has none.
    :raises ApiError: when nothing there waits for a bank.
    """
    intent = world.store.get("payment_intent", id)
    if intent is None:
        session = sessions.get(world, id)
        intent = world.store.get("payment_intent", session["payment_intent"] or "")
    if intent is None or intent["status"] != "processing":
        raise invalid(f"{id} waits for no bank.", code="payment_intent_unexpected_state")
    if succeeded is None:
        succeeded = charging.debit(world, intent) is not Debit.REFUSED
    settled = _settle(world, intent, succeeded)
    return settled or world.store.get("payment_intent", intent["id"]) or intent


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
            if (debit := charging.debit(world, intent)) is not Debit.WAITS:
                _settle(world, intent, debit is Debit.PAID)


def _settle(world: World, intent: Json, succeeded: bool) -> Json | None:
    """Return the session, unless the intent has none."""
    of_intent = [Where("payment_intent", "=", intent["id"])]
    sessions_of = world.store.find("checkout.session", of_intent, limit=1)
    charge = world.store.get("charge", intent["latest_charge"]) or {}
    if succeeded:
        _pay(world, intent, charge)
    else:
        _refuse(world, intent, charge)
    if not sessions_of:
        return None
    session = {**sessions_of[0], "payment_status": "paid" if succeeded else "unpaid"}
    world.store.save(session)
    what = "succeeded" if succeeded else "failed"
    events.record(world, f"checkout.session.async_payment_{what}", session)
    return session


def _pay(world: World, intent: Json, charge: Json) -> None:
    amount = intent["amount"]
    moved = balance.move(world, charge, amount, type="payment", category="charge")
    charge = {
        **charge,
        "amount_captured": amount,
        "balance_transaction": moved["id"],
        "captured": True,
        "paid": True,
        "receipt_url": receipt_url(world.url, charge["id"]),
        "status": "succeeded",
    }
    world.store.save(charge)
    events.record(world, "charge.succeeded", charge)
    charging.tell(world, {**intent, "amount_received": amount, "status": "succeeded"})


def _refuse(world: World, intent: Json, charge: Json) -> None:
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
    method = world.store.get("payment_method", intent["payment_method"]) or {}
    charging.fail(world, intent, method, error)
