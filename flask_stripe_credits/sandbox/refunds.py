"""Giving money back: refunds, and what becomes of them."""

from __future__ import annotations

from typing import Literal

from ..money import Money, smallest_step
from . import balance, cards, disputes, events
from .cards import Behaviour
from .errors import ApiError, invalid, no_such
from .objects import refunds
from .store import Json, Where
from .world import World

Begins = Literal["succeeded", "pending", "requires_action"]
Settles = Literal["succeeded", "failed", "canceled"]

# A refund that succeeded can fail weeks later, when the buyer's bank sends the money back.
MAY_BECOME: dict[str, tuple[Settles, ...]] = {
    "pending": ("succeeded", "failed", "canceled"),
    "requires_action": ("succeeded", "failed", "canceled"),
    "succeeded": ("failed",),
}


def create(world: World, params: Json, *, status: Begins | None = None) -> Json:
    """Refund a charge, as a whole or in part; belongs into a transaction.

    :param params: those of ``POST /v1/refunds``, already checked one by one.
    :param status: how it begins; None for what the payment method does by itself.
    :raises ApiError: when there is nothing to refund, or not so much.
    """
    charge = _charge(world, params)
    amount = _amount(world, charge, params.get("amount"))
    behaviour = _behaviour(world, charge)
    if status is None:
        slow = charge["payment_method_details"]["type"] != "card"
        status = "pending" if slow or behaviour is Behaviour.REFUNDS_SLOWLY else "succeeded"
    refund = refunds.refund(charge, amount, params, world.now(), status=status)
    moved = balance.move(
        world, refund, -amount, type="refund", description=f"REFUND FOR CHARGE {charge['id']}"
    )
    refund["balance_transaction"] = moved["id"]
    world.store.add(refund)
    events.record(world, "refund.created", refund)
    charge, previous = _refunded(world, charge, amount)
    events.record(world, "charge.refunded", charge, previous)
    if behaviour is Behaviour.REFUND_FAILS and status == "succeeded":
        # Whoever asked hears that it succeeded; only the events and a later look tell the truth.
        settle(world, refund["id"], "failed")
    return refund


def get(world: World, id: str) -> Json:
    """Return a refund.

    :raises ApiError: 404 when there is none.
    """
    refund = world.store.get("refund", id)
    if refund is None:
        raise no_such("refund", id, param="id")
    return refund


def settle(world: World, id: str, status: Settles) -> Json:
    """Have a refund succeed, fail or be canceled; belongs into a transaction.

    Money that didn't get to the buyer is the charge's again, as if never refunded.

    :raises ApiError: when there is no such refund, or it can't become that any more.
    """
    refund = get(world, id)
    if status not in MAY_BECOME.get(refund["status"], ()):
        raise invalid(f"A refund that is {refund['status']} can't become {status}.", param="status")
    changes: Json = {"status": status, "pending_reason": None}
    if status != "succeeded":
        charge = world.store.get("charge", refund["charge"]) or {}
        _refunded(world, charge, -refund["amount"])
        back = balance.move(
            world,
            refund,
            refund["amount"],
            type="refund_failure",
            description=f"REFUND FAILURE FOR CHARGE {charge['id']}",
        )
        changes["failure_balance_transaction"] = back["id"]
    if status == "failed":
        changes["failure_reason"] = "unknown"
    return _changed(world, refund, changes, failed=status == "failed")


def settle_overdue(world: World, after_seconds: float) -> None:
    """Have the refunds succeed that were pending for long enough."""
    waiting = [
        Where("status", "=", "pending"),
        Where("created", "<=", world.clock.time() - after_seconds),
    ]
    if not world.store.find("refund", waiting, limit=1):
        return
    with world.store.transaction():
        for refund in world.store.find("refund", waiting):
            settle(world, refund["id"], "succeeded")


def update(world: World, refund: Json, metadata: dict[str, str]) -> Json:
    """Replace a refund's metadata and tell of it."""
    return _changed(world, refund, {"metadata": metadata}, failed=False)


def cancel(world: World, id: str) -> Json:
    """Cancel a refund that waits for the buyer, as the API does.

    :raises ApiError: for any other: only the bank decides about those.
    """
    refund = get(world, id)
    if refund["status"] != "requires_action":
        raise invalid(
            "This refund can't be canceled: only refunds with a status of `requires_action` can, "
            f"and this one has a status of `{refund['status']}`."
        )
    return settle(world, id, "canceled")


def _changed(world: World, refund: Json, changes: Json, *, failed: bool) -> Json:
    previous = {key: refund.get(key) for key in changes if refund.get(key) != changes[key]}
    if not previous:
        return refund
    refund = {**refund, **{key: value for key, value in changes.items() if key in previous}}
    if refund.get("pending_reason", "") is None:
        del refund["pending_reason"]
    world.store.save(refund)
    events.record(world, "refund.updated", refund, previous)
    events.record(world, "charge.refund.updated", refund, previous)
    if failed:
        events.record(world, "refund.failed", refund, previous)
    return refund


def _charge(world: World, params: Json) -> Json:
    if "charge" in params:
        charge = world.store.get("charge", params["charge"])
        if charge is None:
            raise no_such("charge", params["charge"], param="charge", status=400)
        intent_id = charge["payment_intent"]
    else:
        intent_id = params["payment_intent"]
        intent = world.store.get("payment_intent", intent_id)
        if intent is None:
            raise no_such("payment_intent", intent_id, param="payment_intent", status=400)
        charge = world.store.get("charge", intent["latest_charge"] or "")
    if charge is None or charge["status"] != "succeeded" or not charge["captured"]:
        raise invalid(
            f"This PaymentIntent ({intent_id}) does not have a successful charge to refund."
        )
    return charge


def _amount(world: World, charge: Json, given: int | None) -> int:
    currency = charge["currency"]
    left = charge["amount_captured"] - charge["amount_refunded"]
    if disputes.took_the_money(world, charge["id"]):
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if left <= 0:
        raise _already_refunded(charge)
    amount = left if given is None else given
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", param="amount")
    if amount > left:
        raise invalid(
            f"Refund amount ({Money(amount, currency)}) is greater than unrefunded amount on "
            f"charge ({Money(left, currency)})",
            param="amount",
        )
    if amount % smallest_step(currency):
        raise invalid(
            f"Amounts in {currency} must be multiples of {smallest_step(currency)}.", param="amount"
        )
    return amount


def _already_refunded(charge: Json) -> ApiError:
    return invalid(
        f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
    )


def _behaviour(world: World, charge: Json) -> Behaviour | None:
    number = world.store.hidden(charge["payment_method"] or "").get("number")
    card = cards.BY_NUMBER.get(number or "")
    return card.behaviour if card else None


def _refunded(world: World, charge: Json, amount: int) -> tuple[Json, Json]:
    """Add to what was refunded of a charge; return it with the old values of what changed."""
    total = charge["amount_refunded"] + amount
    changes = {"amount_refunded": total, "refunded": total >= charge["amount_captured"]}
    previous = {key: charge[key] for key in changes if charge[key] != changes[key]}
    changed = {**charge, **changes}
    world.store.save(changed)
    return changed, previous
