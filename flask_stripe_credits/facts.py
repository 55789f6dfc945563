"""Facts: what Stripe says about a purchase, joined so that order and repetition don't matter.

Recording locks the rows it speaks of, payment before purchase, and returns what to write;
:mod:`.fulfillment` writes it together with the results. Nothing here changes credits.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from .config import Settings
from .stripe_objects import CheckoutSession
from .unit_of_work import UnitOfWork

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]


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


class Verdict(StrEnum):
    """What became of something that Stripe told us."""

    HANDLED = "handled"
    IGNORED = "ignored"
    REVIEW = "review"
    ORPHAN = "orphan"
    FAILED = "failed"


class Decision(StrEnum):
    """An operator's decision on a purchase in review."""

    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


class SessionNews(StrEnum):
    """What a checkout session's event is about."""

    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact that was recognised: the locked purchase and the columns that the fact changes.

    :ivar purchase: the row as it was before, None when there is nothing to fulfill.
    :ivar reason: the reason of a grant that takes credits back or gives them back for this fact.
    :ivar flag: why somebody has to look at this, None when nobody has to.
    """

    verdict: Verdict
    purchase: Row | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    reason: str = "purchase"
    flag: str | None = None
    purchase_id: uuid.UUID | None = None


IGNORED = Recorded(Verdict.IGNORED)


def record_session(uow: UnitOfWork, session: CheckoutSession, news: SessionNews) -> Recorded:
    """Recognise what ``session`` says about one of our purchases. Locks payment and purchase.

    Whose it is, and whether it fits, is decided in the order of ``docs/explanation``:
    not ours is ignored; a contradiction puts the purchase in review; another session that names
    our purchase leaves it alone; ours without a row is an orphan.
    """
    settings = uow.state.settings
    if session.mode != "payment" or not _of_our_mode(session.livemode, settings):
        return IGNORED
    marked = session.site == settings.site and session.purchase_id is not None
    if not marked and not _is_known_session(uow, session.id):
        return IGNORED
    if session.payment_intent_id is not None:
        uow.execute(uow.sql.lock_payment, {"payment_intent_id": session.payment_intent_id})
    purchase = _lock_purchase_of(uow, session)
    if purchase is None:
        logger.critical("no purchase for checkout session %s of this site", session.id)
        return Recorded(
            Verdict.ORPHAN, purchase_id=session.purchase_id, flag="the purchase is missing"
        )
    if purchase["stripe_checkout_session_id"] not in (None, session.id):
        return _another_session(purchase, session)
    return _own_session(uow, purchase, session, news)


def _of_our_mode(livemode: bool | None, settings: Settings) -> bool:
    if livemode == settings.require_livemode():
        return True
    logger.warning("a checkout session of the other mode (livemode=%s) was ignored", livemode)
    return False


def _is_known_session(uow: UnitOfWork, session_id: str) -> bool:
    return uow.execute(uow.sql.find_session, {"session_id": session_id}).first() is not None


def _lock_purchase_of(uow: UnitOfWork, session: CheckoutSession) -> Row | None:
    """The purchase whose session it is, else the one that the session names."""
    payment = {"payment_intent_id": session.payment_intent_id}
    by_session = uow.execute(
        uow.sql.lock_purchase_by_session, {"session_id": session.id, **payment}
    )
    row = by_session.mappings().first()
    if row is not None or session.purchase_id is None:
        return cast(Row | None, row)
    return lock_purchase(uow, session.purchase_id, session.payment_intent_id)


def lock_purchase(
    uow: UnitOfWork, purchase_id: uuid.UUID, payment_intent_id: str | None = None
) -> Row | None:
    """Lock and return one purchase, None when there is none.

    :param payment_intent_id: a payment whose purchase is wanted too, as ``payment_owner_id``.
    """
    params = {"purchase_id": purchase_id, "payment_intent_id": payment_intent_id}
    return cast(Row | None, uow.execute(uow.sql.lock_purchase, params).mappings().first())


def _another_session(purchase: Row, session: CheckoutSession) -> Recorded:
    """A session that names a purchase which has another one, e.g. of an attempt that was lost."""
    if session.status != "complete":
        # Nobody paid it: nothing to decide.
        return IGNORED
    return Recorded(
        Verdict.REVIEW,
        purchase_id=purchase["id"],
        flag=f"checkout session {session.id} names this purchase but isn't its session",
    )


def _own_session(
    uow: UnitOfWork, purchase: Row, session: CheckoutSession, news: SessionNews
) -> Recorded:
    facts: dict[str, Any] = {"stripe_checkout_session_id": session.id}
    if news is SessionNews.EXPIRED:
        facts["expired_at"] = uow.now
    elif news is SessionNews.FAILED:
        facts |= {"session_completed_at": uow.now, "failed_at": uow.now}
    else:
        contradiction = _contradiction(purchase, session, uow.state.settings)
        # What is paid, or was decided on, is settled: a late event of another shape can't move it.
        settled = purchase["paid_at"] is not None or purchase["review_decision"] is not None
        if contradiction is not None and not settled:
            changes = {"stripe_checkout_session_id": session.id, "review_reason": contradiction}
            return Recorded(
                Verdict.REVIEW,
                purchase,
                _new(purchase, changes),
                flag=contradiction,
                purchase_id=purchase["id"],
            )
        facts["session_completed_at"] = uow.now
        if session.is_paid:
            facts |= {"paid_at": uow.now, "amount_paid": session.amount_total}
        if not _paid_another(purchase):
            facts["stripe_payment_intent_id"] = session.payment_intent_id
    return Recorded(Verdict.HANDLED, purchase, _new(purchase, facts), purchase_id=purchase["id"])


def _new(purchase: Row, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that the row doesn't know yet. A fact once known is never changed."""
    return {
        name: value for name, value in facts.items() if value is not None and purchase[name] is None
    }


def _contradiction(purchase: Row, session: CheckoutSession, settings: Settings) -> str | None:
    """What in a completed session doesn't fit its purchase, None when all of it does."""
    if session.currency != purchase["currency"]:
        return f"currency is {session.currency}, expected {purchase['currency']}"
    subtotal: int = purchase["unit_amount"]
    if session.amount_subtotal != subtotal:
        return f"amount_subtotal is {session.amount_subtotal}, expected {subtotal}"
    if session.amount_total is None:
        return "amount_total is missing"
    if session.amount_discount and not settings.allow_promotion_codes:
        return f"a discount of {session.amount_discount} although promotion codes are off"
    if session.amount_tax and not settings.automatic_tax:
        return f"a tax of {session.amount_tax} although automatic tax is off"
    discount, tax = session.amount_discount or 0, session.amount_tax or 0
    if session.amount_total != subtotal - discount + tax:
        return f"amount_total is {session.amount_total}, which its parts don't add up to"
    if session.is_paid and session.amount_total == 0 and not settings.allow_free:
        return "it cost nothing although free purchases are off"
    if session.payment_status not in ("paid", "unpaid", "no_payment_required"):
        return f"unknown payment_status {session.payment_status}"
    if session.payment_status == "no_payment_required" and session.amount_total > 0:
        return "no payment was required although it costs something"
    known = purchase["stripe_payment_intent_id"]
    if known is not None and session.payment_intent_id not in (None, known):
        return f"payment intent is {session.payment_intent_id}, expected {known}"
    if _paid_another(purchase):
        return f"payment intent {session.payment_intent_id} belongs to another purchase"
    return None


def _paid_another(purchase: Row) -> bool:
    return purchase["payment_owner_id"] not in (None, purchase["id"])


@dataclass(frozen=True, slots=True)
class Reversals:
    """Money that went back, summed over one payment; minor units of the purchase's currency."""

    refunded: int = 0
    disputed: int = 0


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
