"""What follows from the facts: how many credits are due, and the status. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .recorded import Row


class PurchaseStatus(StrEnum):
    """An output of the facts, computed by :func:`status_of` and assigned nowhere else."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    REVIEW = "review"


class Decision(StrEnum):
    """An operator's decision on a purchase in review."""

    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Reversals:
    """Money that went back, summed over one payment; minor units of the purchase's currency."""

    refunded: int = 0
    disputed: int = 0


def reversals_of(purchase: Row) -> Reversals:
    """Return what went back of a purchase's own payment, none while it is linked to none.

    :param purchase: the row as it was locked, with all facts in it.
    """
    if purchase["stripe_payment_intent_id"] is None:
        return Reversals()
    return Reversals(purchase["refunded"], purchase["disputed"])


def target(purchase: Row, reversals: Reversals, *, allow_free: bool) -> int:
    """Return how many credits the buyer of ``purchase`` should have been granted in all.

    Zero until paid. What went back takes credits in proportion, rounded up once on the sum, so
    that a full refund takes exactly everything.

    :param purchase: the row with all facts in it, and ``completed_at``.
    """
    credits: int = purchase["amount_credits"]
    if purchase["paid_at"] is None:
        return 0
    paid: int = purchase["amount_paid"] or 0
    if paid == 0:
        # A setting that is switched off takes back nothing that was given.
        given = purchase["completed_at"] is not None
        accepted = purchase["review_decision"] == Decision.ACCEPTED
        return credits if allow_free or given or accepted else 0
    gone = min(paid, reversals.refunded + reversals.disputed)
    return credits - -(-credits * gone // paid)


def posts_nothing(purchase: Row) -> bool:
    """Whether an operator has to decide first, or decided that nothing changes any more."""
    undecided = purchase["review_reason"] is not None and purchase["review_decision"] is None
    return undecided or purchase["review_decision"] == Decision.DISMISSED


def results_of(purchase: Row, reversals: Reversals, posted: int) -> dict[str, Any]:
    """Compute the columns that follow: amount_refunded, credits_revoked and status.

    :param purchase: the row with all facts in it, and ``completed_at``.
    :param posted: whole credits, the sum of all its grants.
    """
    # Also where everything went back before anything was granted: no order of events matters.
    was_due = purchase["paid_at"] is not None and not posts_nothing(purchase)
    was_due = was_due or purchase["completed_at"] is not None
    return {
        "amount_refunded": min(reversals.refunded, purchase["amount_paid"] or 0),
        "credits_revoked": purchase["amount_credits"] - posted if was_due else 0,
        "status": status_of(purchase, reversals),
    }


def status_of(purchase: Row, reversals: Reversals) -> PurchaseStatus:
    """Compute the status from the facts. The first that matches wins.

    :param purchase: the row with all facts in it, and ``completed_at``.
    """
    if purchase["review_reason"] is not None and purchase["review_decision"] is None:
        return PurchaseStatus.REVIEW
    dismissed = purchase["review_decision"] == Decision.DISMISSED
    if dismissed and purchase["completed_at"] is None:
        return PurchaseStatus.FAILED
    if purchase["paid_at"] is not None:
        return _status_of_paid(purchase["amount_paid"] or 0, reversals)
    if purchase["failed_at"] is not None:
        return PurchaseStatus.FAILED
    if purchase["session_completed_at"] is not None:
        return PurchaseStatus.PROCESSING
    if purchase["expired_at"] is not None:
        return PurchaseStatus.EXPIRED
    return PurchaseStatus.PENDING


def _status_of_paid(amount_paid: int, reversals: Reversals) -> PurchaseStatus:
    if reversals.disputed > 0:
        return PurchaseStatus.DISPUTED
    if 0 < amount_paid <= reversals.refunded:
        return PurchaseStatus.REFUNDED
    return PurchaseStatus.COMPLETED
