"""Compare what Stripe says with what we know. Pure functions: they neither read nor write."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..config import Settings
from ..facts import (
    Decision,
    Recorded,
    Reversals,
    Row,
    SessionNews,
    Verdict,
    dispute_rank,
    dispute_takes,
    facts_of_session,
    posts_nothing,
    refund_rank,
    refund_takes,
    results_of,
    target,
)
from ..money import Money
from ..stripe_objects import CheckoutSession, Dispute, Refund
from .findings import Finding, Kind
from .known import Known, KnownReversal

NOTHING = Reversals()


@dataclass(frozen=True, slots=True)
class Judge:
    """What a comparison depends on beside its two sides.

    :ivar now: aware UTC, of the facts that would be recorded.
    """

    settings: Settings
    now: dt.datetime

    def due(self, row: Row, reversals: Reversals, posted: int) -> int:
        """Return the credits that the buyer is still owed, or owes."""
        if posts_nothing(row):
            return 0
        return target(row, reversals, allow_free=self.settings.allow_free) - posted


def compare_session(
    judge: Judge,
    known: Known,
    session: CheckoutSession,
    news: SessionNews | None,
    elsewhere: Reversals = NOTHING,
) -> Finding | None:
    """Return how a purchase differs from its session at Stripe, None when it doesn't.

    :param known: its row has ``payment_owner_id``, of the session's payment.
    :param elsewhere: what went back of the session's payment beside ``known.reversals``.
    """
    breach = _breach(known, session)
    if breach is not None:
        return _finding(known, Kind.BREACH, breach, session)
    if news is None:
        return _undecided(known)
    recorded = facts_of_session(known.row, session, news, judge.settings, judge.now)
    return _what_is_new(judge, known, session, recorded, elsewhere) or _undecided(known)


def _breach(known: Known, session: CheckoutSession) -> str | None:
    """What we granted and Stripe doesn't know of. Recording it would make nothing better."""
    row, posted = known.row, known.posted
    paid_here = row["paid_at"] is not None
    paid_there = session.status == "complete" and session.is_paid
    if (paid_here or posted) and not paid_there:
        status = f"{session.status}, {session.payment_status}"
        return f"{posted} credits were granted, but its session is {status} at Stripe"
    if paid_here and row["amount_paid"] != session.amount_total:
        here, there = _money(row["amount_paid"], row), _money(session.amount_total, row)
        return f"{here} is recorded as paid, but at Stripe it is {there}"
    payments = {row["stripe_payment_intent_id"], session.payment_intent_id} - {None}
    if paid_here and len(payments) > 1:
        return f"it was paid by two payments, {' and '.join(sorted(payments))}"
    if posted > row["amount_credits"] or posted < 0:
        return f"{posted} credits were granted, but {row['amount_credits']} were bought"
    return None


def _what_is_new(
    judge: Judge,
    known: Known,
    session: CheckoutSession,
    recorded: Recorded,
    elsewhere: Reversals,
) -> Finding | None:
    if recorded.verdict is Verdict.REVIEW:
        # Nothing is new about a contradiction that is already in review.
        if known.row["review_reason"] is not None:
            return None
        text = f"paid at Stripe, but it doesn't fit: {recorded.flag}"
        return _finding(known, Kind.CONTRADICTION, text, session)
    row = {**known.row, **recorded.changes}
    due = judge.due(row, _sum(known.reversals, elsewhere), known.posted)
    dismissed = known.row["review_decision"] == Decision.DISMISSED
    if not due and (dismissed or not recorded.changes):
        # What was dismissed is decided, whatever else Stripe says of it.
        return _result(known, session)
    kind, text = _told(known, session, recorded, due)
    return replace(_finding(known, kind, text, session), credits=due)


def _result(known: Known, session: CheckoutSession) -> Finding | None:
    """What follows from the facts and was changed by hand."""
    row = known.row
    for name, value in results_of(row, known.reversals, known.posted).items():
        if row[name] != value:
            text = f"its {name} is {row[name]} here, and {value} by what is recorded"
            return _finding(known, Kind.RESULT, text, session)
    return None


def missing_session(known: Known) -> Finding:
    """Return what it means that Stripe knows no such session as this purchase's."""
    if known.posted or known.row["paid_at"] is not None:
        text = f"{known.posted} credits were granted, but Stripe doesn't know its session"
        return _finding(known, Kind.BREACH, text)
    text = "Stripe doesn't know its session: was it opened with the key of another account?"
    return _finding(known, Kind.MISSING, text)


def _told(known: Known, session: CheckoutSession, recorded: Recorded, due: int) -> tuple[Kind, str]:
    status = known.row["status"]
    if session.status == "expired":
        return Kind.EXPIRED, f"its session expired at Stripe, it is {status} here"
    if "failed_at" in recorded.changes:
        return Kind.FAILED, f"its payment failed at Stripe, it is {status} here"
    if not session.is_paid:
        return Kind.PROCESSING, f"its payment is on the way at Stripe, it is {status} here"
    paid = _money(session.amount_total, known.row)
    if due < 0:
        return Kind.REFUND, f"what went back was not taken back, it is {status} here"
    return Kind.PAID, f"{paid} was paid at Stripe, it is {status} here"


def orphan(session: CheckoutSession) -> Finding:
    """Return that Stripe has a paid session of ours whose purchase is missing."""
    paid = Money(session.amount_total or 0, session.currency or "usd")
    text = (
        f"{paid} was paid for a purchase that is missing here: run `flask credits reconcile "
        f"--rebuild {session.id} --user ID --package CODE`"
    )
    return Finding(Kind.ORPHAN, text, purchase_id=session.purchase_id, about=session.id)


def stranger(known: Known, session: CheckoutSession) -> Finding:
    """Return that a completed session names a purchase that has another session."""
    paid = _money(session.amount_total, known.row)
    own = known.row["stripe_checkout_session_id"]
    text = f"{paid} was paid in session {session.id}, but the purchase's session is {own}"
    return _finding(known, Kind.STRANGER, text, session)


def unopened(known: Known) -> Finding:
    """Return that no session was ever opened for a purchase, as far as Stripe knows."""
    return _finding(known, Kind.UNOPENED, "Stripe has no session of it: it can't be paid")


def _undecided(known: Known) -> Finding | None:
    row = known.row
    if row["review_reason"] is None or row["review_decision"] is not None:
        return None
    return _finding(known, Kind.REVIEW, f"waits for a decision: {row['review_reason']}")


def compare_refunds(
    judge: Judge, known: Known, told: Sequence[tuple[Refund, KnownReversal | None]]
) -> Iterator[Finding]:
    """Yield how refunds of one purchase differ from what is recorded of them."""
    reversals = known.reversals
    for refund, before in told:
        rank = refund_rank(refund)
        if rank is None or (before is not None and before.rank >= rank):
            continue
        was = before.amount if before is not None and refund_takes(before.rank) else 0
        goes = (refund.amount or 0) if refund_takes(rank) else 0
        after = replace(reversals, refunded=reversals.refunded - was + goes)
        yield _reversed(judge, known, refund, before, (reversals, after), Kind.REFUND)
        reversals = after


def compare_disputes(
    judge: Judge, known: Known, told: Sequence[tuple[Dispute, KnownReversal | None]]
) -> Iterator[Finding]:
    """Yield how disputes of one purchase differ from what is recorded of them."""
    reversals = known.reversals
    for dispute, before in told:
        rank = dispute_rank(dispute)
        if before is not None and before.rank >= rank:
            continue
        was = before.amount if before is not None and dispute_takes(before.rank) else 0
        goes = (dispute.amount or 0) if dispute_takes(rank) else 0
        after = replace(reversals, disputed=reversals.disputed - was + goes)
        yield _reversed(judge, known, dispute, before, (reversals, after), Kind.DISPUTE)
        reversals = after


def _reversed(
    judge: Judge,
    known: Known,
    told: Refund | Dispute,
    before: KnownReversal | None,
    reversals: tuple[Reversals, Reversals],
    kind: Kind,
) -> Finding:
    row = known.row
    what = f"{kind} {told.id}"
    if told.currency != row["currency"] or told.amount is None:
        text = f"{what} of {told.amount} {told.currency} doesn't fit {row['currency']}"
        return _finding(known, Kind.CONTRADICTION, text, told)
    if known.posted and row["paid_at"] is None:
        text = f"{what}, and {known.posted} credits were granted without a payment"
        return _finding(known, Kind.BREACH, text, told)
    here = "isn't recorded here" if before is None else f"is {before.status} here"
    text = f"{what} of {_money(told.amount, row)} is {told.status} at Stripe, it {here}"
    credits = judge.due(row, reversals[1], 0) - judge.due(row, reversals[0], 0)
    return replace(_finding(known, kind, text, told), credits=credits)


def sum_of(told: Sequence[Refund | Dispute], currency: str) -> Reversals:
    """Add up what of a payment went back, in minor units of ``currency``."""
    fitting = [one for one in told if one.currency == currency]
    refunded = sum(
        one.amount or 0
        for one in fitting
        if isinstance(one, Refund) and refund_takes(refund_rank(one))
    )
    disputed = sum(
        one.amount or 0
        for one in fitting
        if isinstance(one, Dispute) and dispute_takes(dispute_rank(one))
    )
    return Reversals(refunded, disputed)


def _sum(first: Reversals, second: Reversals) -> Reversals:
    return Reversals(first.refunded + second.refunded, first.disputed + second.disputed)


def _money(amount: int | None, row: Row) -> str:
    return "nothing" if amount is None else str(Money(amount, row["currency"]))


def _finding(known: Known, kind: Kind, text: str, about: Any | None = None) -> Finding:
    row = known.row
    return Finding(
        kind,
        text,
        purchase_id=row["id"],
        user_id=row["user_id"],
        about=row["stripe_checkout_session_id"] if about is None else about.id,
    )
