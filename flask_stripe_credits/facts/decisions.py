"""What operators decide about what doesn't fit: recorded facts like all others, by whom and why.

A decision is made once. It locks as every fact does, payment before purchase, so that a webhook
or another operator at the same moment comes before it or after it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import ReviewError
from ..stripe_objects import CheckoutSession
from ..unit_of_work import UnitOfWork
from .recorded import Reasons, Recorded, Row, Verdict, lock_facts, lock_payment, lock_purchase
from .results import Decision
from .sessions import contradiction_of, facts_of_completed, paid_another, unknown_yet

_REASONS = Reasons(taken="review", given="review")


@dataclass(frozen=True, slots=True)
class Ruling:
    """Who decided, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class FlaggedEvent:
    """An event in review by itself: about a session, refund or dispute that isn't its purchase's.

    :ivar object_id: the session, refund, dispute or charge at Stripe.
    """

    id: str
    type: str
    object_id: str | None
    purchase_id: uuid.UUID | None


def record_acceptance(
    uow: UnitOfWork, purchase_id: uuid.UUID, session: CheckoutSession, ruling: Ruling
) -> Recorded:
    """Accept a purchase in review, contradictions and all: it counts as what its session says.

    :param session: the purchase's own session, as Stripe shows it now.
    :raises ReviewError: it isn't in review, or it can't be accepted whoever wants it.
    """
    if session.payment_intent_id is not None:
        lock_payment(uow, session.payment_intent_id)
    purchase = _lock_undecided(uow, purchase_id, session.payment_intent_id)
    obstacle = _obstacle(purchase, session)
    if obstacle is not None:
        raise ReviewError(f"{obstacle}: dismiss it, and refund what was paid")
    facts = unknown_yet(purchase, facts_of_completed(purchase, session, uow.now))
    changes = facts | _decision(uow, Decision.ACCEPTED, ruling)
    return _handled(purchase, changes, ruling)


def record_dismissal(uow: UnitOfWork, purchase_id: uuid.UUID, ruling: Ruling) -> Recorded:
    """Dismiss a purchase in review: what is posted stays as it is, for good.

    :raises ReviewError: it isn't in review.
    """
    purchase = _lock_undecided(uow, purchase_id, None)
    return _handled(purchase, _decision(uow, Decision.DISMISSED, ruling), ruling)


def record_event_acceptance(
    uow: UnitOfWork, event: FlaggedEvent, session: CheckoutSession, ruling: Ruling
) -> Recorded:
    """Make the session that an event was about the session of the purchase that it names.

    :param session: as Stripe shows it now.
    :raises ReviewError: the event isn't in review, the purchase is paid or decided on, or the
        session doesn't fit it.
    """
    if session.payment_intent_id is not None:
        lock_payment(uow, session.payment_intent_id)
    purchase = None
    if event.purchase_id is not None:
        purchase = lock_facts(uow, event.purchase_id, session.payment_intent_id)
    if purchase is None:
        raise ReviewError(f"the purchase of event {event.id} is missing")
    _decide_event(uow, event, Verdict.HANDLED)
    obstacle = _obstacle_to_replacing(uow, purchase, session)
    if obstacle is not None:
        raise ReviewError(f"{obstacle}: dismiss the event, and refund what was paid")
    facts = unknown_yet(purchase, facts_of_completed(purchase, session, uow.now))
    return _handled(purchase, facts | {"stripe_checkout_session_id": session.id}, ruling)


def record_event_dismissal(uow: UnitOfWork, event: FlaggedEvent, ruling: Ruling) -> Recorded:
    """Dismiss an event: it stays without effect, and nobody is asked again.

    :raises ReviewError: it isn't in review.
    """
    if event.purchase_id is not None:
        lock_purchase(uow, event.purchase_id)
    _decide_event(uow, event, Verdict.DISMISSED)
    return Recorded(Verdict.DISMISSED, purchase_id=event.purchase_id, actor=ruling.by)


def _handled(purchase: Row, changes: dict[str, Any], ruling: Ruling) -> Recorded:
    return Recorded(
        Verdict.HANDLED,
        purchase,
        changes,
        reasons=_REASONS,
        purchase_id=purchase["id"],
        actor=ruling.by,
    )


def _lock_undecided(uow: UnitOfWork, purchase_id: uuid.UUID, payment_intent_id: str | None) -> Row:
    purchase = lock_facts(uow, purchase_id, payment_intent_id)
    if purchase is None:
        raise ReviewError(f"there is no purchase {purchase_id}")
    undecided_or_raise(purchase)
    return purchase


def undecided_or_raise(purchase: Row) -> None:
    """Check that a purchase waits for a decision.

    :raises ReviewError: it doesn't.
    """
    if purchase["review_decision"] is not None:
        decided = f"{purchase['review_decision']} by {purchase['reviewed_by']}"
        raise ReviewError(f"purchase {purchase['id']} was {decided} before")
    if purchase["review_reason"] is None:
        raise ReviewError(f"purchase {purchase['id']} isn't in review: {purchase['status']}")


def _decision(uow: UnitOfWork, decision: Decision, ruling: Ruling) -> dict[str, Any]:
    return {
        "review_decision": decision,
        "reviewed_at": uow.now,
        "reviewed_by": ruling.by,
        "review_note": ruling.reason,
    }


def _obstacle(purchase: Row, session: CheckoutSession) -> str | None:
    """What not even an operator can accept, None when it can be."""
    if session.id != purchase["stripe_checkout_session_id"]:
        return f"its session is no longer {session.id}"
    if session.status != "complete":
        return f"Stripe says its session is {session.status}, nothing was paid"
    if session.currency != purchase["currency"]:
        return (
            f"it was paid in {session.currency}, expected {purchase['currency']}, "
            f"and amounts of different currencies can't be compared"
        )
    if session.is_paid and session.amount_total is None:
        return "Stripe doesn't say how much was paid"
    return _foreign_payment(purchase, session)


def _foreign_payment(purchase: Row, session: CheckoutSession) -> str | None:
    """Refunds would go astray if the payment weren't the purchase's own."""
    if paid_another(purchase):
        return f"its payment is that of purchase {purchase['payment_owner_id']}"
    known = purchase["stripe_payment_intent_id"]
    if known is not None and session.payment_intent_id not in (None, known):
        return f"its payment is {known}, and Stripe now says {session.payment_intent_id}"
    return None


def _obstacle_to_replacing(uow: UnitOfWork, purchase: Row, session: CheckoutSession) -> str | None:
    settings = uow.state.settings
    if purchase["paid_at"] is not None:
        return "the purchase is paid already"
    if purchase["review_reason"] is not None and purchase["review_decision"] is None:
        return "the purchase itself is in review, decide on it first"
    if purchase["review_decision"] == Decision.DISMISSED:
        return f"the purchase was dismissed by {purchase['reviewed_by']}"
    if session.mode != "payment" or session.livemode != settings.require_livemode():
        return "the session isn't a payment of our mode"
    if session.site != settings.site or session.purchase_id != purchase["id"]:
        return "the session doesn't name this purchase any more"
    if session.status != "complete":
        return f"Stripe says the session is {session.status}, nothing was paid"
    misfit = contradiction_of(purchase, session, settings)
    return None if misfit is None else f"the session doesn't fit the purchase: {misfit}"


def _decide_event(uow: UnitOfWork, event: FlaggedEvent, verdict: Verdict) -> None:
    """Decide all that Stripe told of the same object, unless that was done before."""
    events = uow.models.table(uow.models.WebhookEvent)
    decided = (
        sa.update(events)
        .where(
            events.c.object_id == event.object_id,
            events.c.purchase_id == event.purchase_id,
            events.c.verdict.in_((Verdict.REVIEW, Verdict.ORPHAN)),
        )
        .values(verdict=verdict, updated_at=uow.now)
    )
    if uow.execute(decided).rowcount == 0:
        raise ReviewError(f"event {event.id} isn't in review any more")
