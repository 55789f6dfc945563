"""What a Checkout Session says: whose it is, whether it fits its purchase, and what is new."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ..config import Settings
from ..logs import Log
from ..stripe_objects import CheckoutSession
from ..unit_of_work import UnitOfWork
from .recorded import IGNORED, Recorded, Row, Verdict, lock_facts, lock_facts_of_session

log: Log = Log(__name__)


class SessionNews(StrEnum):
    """What a checkout session's event is about."""

    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


def news_of(session: CheckoutSession) -> SessionNews | None:
    """Return what a session is about that Stripe was asked for; None while it is open."""
    if session.status == "complete":
        return SessionNews.COMPLETED
    return SessionNews.EXPIRED if session.status == "expired" else None


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
    purchase = _lock_purchase_of(uow, session)
    if purchase is None:
        log.critical(
            "purchase_missing",
            "no purchase for checkout session %s of this site",
            session.id,
            purchase_id=session.purchase_id,
        )
        return Recorded(
            Verdict.ORPHAN, purchase_id=session.purchase_id, flag="the purchase is missing"
        )
    if purchase["stripe_checkout_session_id"] not in (None, session.id):
        return _another_session(purchase, session)
    return facts_of_session(purchase, session, news, settings, uow.now)


def _of_our_mode(livemode: bool | None, settings: Settings) -> bool:
    if livemode == settings.require_livemode():
        return True
    log.warning(
        "other_mode_ignored",
        "a checkout session of the other mode (livemode=%s) was ignored",
        livemode,
    )
    return False


def _is_known_session(uow: UnitOfWork, session_id: str) -> bool:
    return uow.execute(uow.sql.find_session, {"session_id": session_id}).first() is not None


def _lock_purchase_of(uow: UnitOfWork, session: CheckoutSession) -> Row | None:
    """The purchase whose session it is, else the one that the session names."""
    row = lock_facts_of_session(uow, session.id, session.payment_intent_id)
    if row is not None or session.purchase_id is None:
        return row
    return lock_facts(uow, session.purchase_id, session.payment_intent_id)


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


def facts_of_session(
    purchase: Row,
    session: CheckoutSession,
    news: SessionNews,
    settings: Settings,
    now: dt.datetime,
) -> Recorded:
    """Return what a session says that its purchase doesn't know yet. Neither reads nor writes.

    :param purchase: the row, and as ``payment_owner_id`` whose the session's payment is.
    :param now: aware UTC, when it is said.
    """
    facts: dict[str, Any] = {"stripe_checkout_session_id": session.id}
    if news is SessionNews.EXPIRED:
        facts["expired_at"] = now
    elif news is SessionNews.FAILED:
        facts |= {"session_completed_at": now, "failed_at": now}
    else:
        contradiction = contradiction_of(purchase, session, settings)
        # What is paid, or was decided on, is settled: a late event of another shape can't move it.
        settled = purchase["paid_at"] is not None or purchase["review_decision"] is not None
        if contradiction is not None and not settled:
            changes = {"stripe_checkout_session_id": session.id, "review_reason": contradiction}
            return Recorded(
                Verdict.REVIEW,
                purchase,
                unknown_yet(purchase, changes),
                flag=contradiction,
                purchase_id=purchase["id"],
            )
        facts |= facts_of_completed(purchase, session, now)
    return Recorded(
        Verdict.HANDLED, purchase, unknown_yet(purchase, facts), purchase_id=purchase["id"]
    )


def record_unopened(uow: UnitOfWork, purchase_id: uuid.UUID) -> Recorded:
    """Record that no session of a purchase can be paid, because Stripe knows none. Locks it.

    Does nothing when it has a session meanwhile, or is just being opened.
    """
    purchase = lock_facts(uow, purchase_id)
    if purchase is None or purchase["stripe_checkout_session_id"] is not None:
        return IGNORED
    claimed_until = purchase["checkout_claimed_until"]
    if claimed_until is not None and claimed_until > uow.now:
        return IGNORED
    changes = unknown_yet(purchase, {"expired_at": uow.now})
    return Recorded(Verdict.HANDLED, purchase, changes, purchase_id=purchase_id)


def facts_of_completed(purchase: Row, session: CheckoutSession, now: dt.datetime) -> dict[str, Any]:
    """What a completed session says of its purchase's payment."""
    facts: dict[str, Any] = {"session_completed_at": now}
    if session.is_paid:
        facts |= {"paid_at": now, "amount_paid": session.amount_total}
    if not paid_another(purchase):
        facts["stripe_payment_intent_id"] = session.payment_intent_id
    return facts


def unknown_yet(purchase: Row, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that the row doesn't know yet. A fact once known is never changed."""
    return {
        name: value for name, value in facts.items() if value is not None and purchase[name] is None
    }


def contradiction_of(purchase: Row, session: CheckoutSession, settings: Settings) -> str | None:
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
    if paid_another(purchase):
        return f"payment intent {session.payment_intent_id} belongs to another purchase"
    return None


def paid_another(purchase: Row) -> bool:
    """Whether the payment for which the purchase was locked is another purchase's."""
    return purchase["payment_owner_id"] not in (None, purchase["id"])
