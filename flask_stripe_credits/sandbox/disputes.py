"""Disputes: the buyer's bank asks, takes the money, and decides."""

from __future__ import annotations

from typing import Literal

from . import balance, events
from .catalog import merged
from .errors import invalid, no_such
from .objects import disputes
from .store import Json, Where
from .world import World

Closes = Literal["won", "lost", "warning_closed"]

# What open disputes become when the bank gets the merchant's evidence.
_ANSWERED = {
    "needs_response": "under_review",
    "under_review": "under_review",
    "warning_needs_response": "warning_under_review",
    "warning_under_review": "warning_under_review",
}
# What a dispute may end as. One that was lost can still be won by an appeal.
MAY_BECOME: dict[str, tuple[Closes, ...]] = {
    "needs_response": ("won", "lost"),
    "under_review": ("won", "lost"),
    "warning_needs_response": ("warning_closed",),
    "warning_under_review": ("warning_closed",),
    "lost": ("won",),
}


def create(
    world: World, charge: Json, *, amount: int | None, reason: str, inquiry: bool = False
) -> Json:
    """Have a buyer's bank dispute a charge; belongs into a transaction.

    :param amount: minor units; None for the whole charge, whatever was refunded.
    :param inquiry: whether the bank only asks for now, and leaves the money where it is.
    :raises ApiError: when the charge took no money.
    """
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise invalid(f"Charge {charge['id']} took no money that could be disputed.")
    if amount is None:
        amount = charge["amount"]
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", param="amount")
    dispute = disputes.dispute(charge, amount, reason, world.now(), inquiry=inquiry)
    world.store.add(dispute)
    world.store.save({**charge, "disputed": True})
    if not inquiry:
        dispute = _withdraw(world, dispute)
    events.record(world, "charge.dispute.created", dispute)
    if not inquiry:
        events.record(world, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def get(world: World, id: str) -> Json:
    """Return a dispute.

    :raises ApiError: 404 when there is none.
    """
    dispute = world.store.get("dispute", id)
    if dispute is None:
        raise no_such("dispute", id, param="id")
    return dispute


def took_the_money(world: World, charge_id: str) -> bool:
    """Whether a bank took a charge's money back, so that there is nothing left to refund."""
    of_charge = world.store.find("dispute", [Where("charge", "=", charge_id)])
    return any(not of["is_charge_refundable"] and of["status"] != "won" for of in of_charge)


def escalate(world: World, id: str) -> Json:
    """Turn an inquiry into a dispute that takes the money; belongs into a transaction.

    :raises ApiError: when it isn't an open inquiry.
    """
    dispute = get(world, id)
    if "warning_closed" not in MAY_BECOME.get(dispute["status"], ()):
        raise invalid(f"Dispute {id} isn't an open inquiry: its status is `{dispute['status']}`.")
    changes = {"is_charge_refundable": False, "status": "needs_response"}
    previous = {key: dispute[key] for key in changes}
    dispute = _withdraw(world, {**dispute, **changes})
    previous["balance_transactions"] = []
    events.record(world, "charge.dispute.updated", dispute, previous)
    events.record(world, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def close(world: World, id: str, status: Closes) -> Json:
    """Have a dispute end; belongs into a transaction.

    :param status: ``won`` returns the money; ``warning_closed`` ends an inquiry.
    :raises ApiError: when there is no such dispute, or it can't end so any more.
    """
    dispute = get(world, id)
    if status not in MAY_BECOME.get(dispute["status"], ()):
        raise invalid(
            f"Dispute {id} can't become `{status}`: its status is `{dispute['status']}`.",
            param="status",
        )
    if status == "won":
        dispute = _reinstate(world, dispute)
        # As recorded from Stripe: the money is back before the status says why.
        events.record(world, "charge.dispute.funds_reinstated", dispute)
    previous = {"status": dispute["status"]}
    dispute = {**dispute, "status": status}
    world.store.save(dispute)
    events.record(world, "charge.dispute.updated", dispute, previous)
    events.record(world, "charge.dispute.closed", dispute)
    return dispute


def update(world: World, id: str, params: Json) -> Json:
    """Keep the merchant's evidence and metadata, and tell of it.

    :param params: ``evidence``, ``metadata`` and ``submit`` (true unless given): whether the bank
        gets to see the evidence now.
    :raises ApiError: when there is no such dispute, or nobody looks at evidence any more.
    """
    dispute = get(world, id)
    changes: Json = {}
    if "metadata" in params:
        changes["metadata"] = merged(dispute["metadata"], params["metadata"])
    if params.get("evidence"):
        if dispute["status"] not in _ANSWERED:
            raise invalid("This dispute is already closed.", param="evidence")
        changes["evidence"] = {**dispute["evidence"], **params["evidence"]}
        changes["evidence_details"] = {**dispute["evidence_details"], "has_evidence": True}
        if params.get("submit", True):
            changes["status"] = _ANSWERED[dispute["status"]]
            changes["evidence_details"]["submission_count"] += 1
            changes["evidence_details"]["submission_method"] = "manual"
    previous = {key: dispute[key] for key, value in changes.items() if dispute[key] != value}
    if previous:
        dispute |= changes
        world.store.save(dispute)
        events.record(world, "charge.dispute.updated", dispute, previous)
    return dispute


def concede(world: World, id: str) -> Json:
    """End a dispute because the merchant says so, as the API does: as lost, an inquiry as closed.

    :raises ApiError: when it is closed already.
    """
    dispute = get(world, id)
    if dispute["status"] not in _ANSWERED:
        raise invalid(
            f"This dispute can't be closed: its status is `{dispute['status']}`.", param="id"
        )
    return close(world, id, "warning_closed" if "warning" in dispute["status"] else "lost")


def _withdraw(world: World, dispute: Json) -> Json:
    return _moved(world, dispute, -dispute["amount"], "withdrawal", "dispute")


def _reinstate(world: World, dispute: Json) -> Json:
    return _moved(world, dispute, dispute["amount"], "reversal", "dispute_reversal")


def _moved(world: World, dispute: Json, amount: int, what: str, category: str) -> Json:
    transaction = balance.move(
        world,
        dispute,
        amount,
        type="adjustment",
        description=f"Chargeback {what} for {dispute['charge']}",
        category=category,
    )
    dispute = {
        **dispute,
        "balance_transactions": [*dispute["balance_transactions"], transaction],
    }
    world.store.save(dispute)
    return dispute
