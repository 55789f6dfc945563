"""What refunds and disputes say: how much of a payment went back, or came back again.

Each is known by Stripe's id and a rank that only grows, so that late and repeated events change
nothing. They are recorded under their payment intent, also before it is known whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..logs import Log
from ..statements import FIRST_DEAD_REFUND, WITHDRAWN
from ..stripe_objects import Dispute, Refund
from ..unit_of_work import UnitOfWork
from .recorded import (
    IGNORED,
    Reasons,
    Recorded,
    Row,
    Verdict,
    lock_payment,
    lock_purchase_of_payment,
    read_facts,
)

log: Log = Log(__name__)

# https://docs.stripe.com/api/refunds/object: failed and canceled are final, also after succeeded.
_REFUND_RANKS = {
    "pending": 10,
    "requires_action": 11,
    "succeeded": 20,
    "failed": 30,
    "canceled": 31,
}
# The order in which people read of a dispute; what it does to the money is told by its funds.
# https://docs.stripe.com/api/disputes/object
_DISPUTE_STEPS = {
    "warning_needs_response": 1,
    "warning_under_review": 2,
    "warning_closed": 3,
    "prevented": 3,
    "needs_response": 4,
    "under_review": 5,
    "lost": 6,
    "appeal_needs_response": 7,
    "appeal_under_review": 8,
    "won": 9,
}


class Funds(IntEnum):
    """What became of the money of a dispute. It only grows."""

    NONE = 0
    WITHDRAWN = 1
    RETURNED = 2


_FUNDS_OF_STATUS = {"lost": Funds.WITHDRAWN, "won": Funds.RETURNED}


@dataclass(frozen=True, slots=True)
class _Reversal:
    """A refund or a dispute, as its table keeps it."""

    name: str
    payment_intent_id: str
    amount: int | None
    currency: str | None
    values: dict[str, Any]


def refund_rank(refund: Refund) -> int | None:
    """Return how far a refund has got, as ``live_rank`` keeps it; None: its status is unknown."""
    return _REFUND_RANKS.get(refund.status or "")


def refund_takes(rank: int | None) -> bool:
    """Whether the money of a refund goes back: pending or succeeded, not failed or canceled."""
    return rank is not None and rank < FIRST_DEAD_REFUND


def dispute_rank(dispute: Dispute, funds: Funds = Funds.NONE) -> int:
    """Return how far a dispute has got, as ``live_rank`` keeps it.

    :param funds: what is known beside the dispute itself.
    """
    status = dispute.status or "unknown"
    funds = max(funds, Funds(dispute.withdrawals), _FUNDS_OF_STATUS.get(status, Funds.NONE))
    return funds * 10 + _DISPUTE_STEPS.get(status, 0)


def dispute_takes(rank: int) -> bool:
    """Whether the money of a dispute was withdrawn and not returned."""
    return rank in WITHDRAWN


def record_refunds(uow: UnitOfWork, refunds: Sequence[Refund]) -> Recorded:
    """Record what Stripe says about refunds of one payment. Locks payment and purchase.

    An operator's request that one of them answers is finished with it. A status that we don't
    know changes nothing. In another currency than the purchase's, none of them is recorded and
    somebody has to look.
    """
    reversals = [
        _reversal(
            refund,
            f"refund {refund.id}",
            {
                "stripe_refund_id": refund.id,
                "status": refund.status,
                "live_rank": rank,
            },
        )
        for refund in refunds
        if (rank := refund_rank(refund)) is not None and refund.payment_intent_id is not None
    ]
    recorded = _record(uow, uow.sql.upsert_refund, reversals, Reasons("refund", "refund_failed"))
    if recorded.purchase is not None:
        _finish_requests(uow, recorded.purchase, refunds)
    return recorded


def _finish_requests(uow: UnitOfWork, purchase: Row, refunds: Sequence[Refund]) -> None:
    for refund in refunds:
        if refund.request_id is not None and refund.site == uow.state.settings.site:
            uow.execute(
                uow.sql.finish_request,
                {
                    "request_id": refund.request_id,
                    "of_purchase": purchase["id"],
                    "refunded": refund.amount,
                    "refund_id": refund.id,
                },
            )


def record_dispute(uow: UnitOfWork, dispute: Dispute, funds: Funds = Funds.NONE) -> Recorded:
    """Record what Stripe says about a dispute. Locks payment and purchase.

    Only funds that were withdrawn take credits, so an inquiry (``warning_…``) takes none, and
    the status text decides nothing but that ``won`` returns them and ``lost`` doesn't.

    :param funds: what the event says beside the dispute itself.
    """
    values = {
        "stripe_dispute_id": dispute.id,
        "status": (dispute.status or "unknown")[:50],
        "live_rank": dispute_rank(dispute, funds),
    }
    reversals = []
    if dispute.payment_intent_id is not None:
        reversals.append(_reversal(dispute, f"dispute {dispute.id}", values))
    return _record(uow, uow.sql.upsert_dispute, reversals, Reasons("dispute", "dispute_won"))


def refunded_so_far(uow: UnitOfWork, payment_intent_id: str) -> int:
    """Return how much of a payment is refunded as far as we know, in minor units."""
    found = uow.execute(uow.sql.sum_refunds, {"payment_intent_id": payment_intent_id})
    return int(found.scalar_one())


def _reversal(told: Refund | Dispute, name: str, values: dict[str, Any]) -> _Reversal:
    payment_intent_id = told.payment_intent_id or ""
    values |= {
        "stripe_payment_intent_id": payment_intent_id,
        "amount": told.amount,
        "currency": told.currency,
    }
    return _Reversal(name, payment_intent_id, told.amount, told.currency, values)


def _record(
    uow: UnitOfWork, upsert: Any, reversals: Sequence[_Reversal], reasons: Reasons
) -> Recorded:
    if not reversals:
        return IGNORED
    payment_intent_id = reversals[0].payment_intent_id
    for reversal in reversals:
        if reversal.amount is None or reversal.currency is None:
            purchase = lock_purchase_of_payment(uow, payment_intent_id)
            return _to_review(purchase, f"{reversal.name} has no amount or no currency")
    lock_payment(uow, payment_intent_id)
    purchase = lock_purchase_of_payment(uow, payment_intent_id)
    for reversal in reversals:
        if purchase is not None and reversal.currency != purchase["currency"]:
            return _to_review(
                purchase,
                f"{reversal.name} is in {reversal.currency}, expected {purchase['currency']}",
            )
    known = {
        "created_at": uow.now,
        "updated_at": uow.now,
        "package_code": None if purchase is None else purchase["package_code"],
    }
    for reversal in reversals:
        uow.execute(upsert, reversal.values | known)
    if purchase is None:
        return Recorded(Verdict.KEPT)
    facts = read_facts(uow, purchase["id"])
    return Recorded(Verdict.HANDLED, facts, reasons=reasons, purchase_id=purchase["id"])


def _to_review(purchase: Row | None, flag: str) -> Recorded:
    if purchase is None:
        log.warning("reversal_ignored", "ignored: %s", flag)
        return IGNORED
    return Recorded(Verdict.REVIEW, purchase_id=purchase["id"], flag=flag)
