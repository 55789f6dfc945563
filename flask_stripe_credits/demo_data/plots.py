"""What becomes of made-up purchases, and how often. Each plot tells its story as far as it got."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable

from ..facts import Funds, Verdict
from .marks import new_stripe_id
from .story import Story

Plot = Callable[[Story], None]

OPERATOR = "demo-operator"
_RECONCILED = "reconcile, demo data"
_DECIDED_AFTER_DAYS = 12
_FEW = 2_000


def choose_plot(random: random.Random, left: int, count: int) -> Plot:
    """Choose what becomes of a purchase.

    :param left: how many of ``count`` come after it. Some of the last day or two show what is
        soon over, however few or many there are in all.
    """
    spread = max(count // _FEW, 1)
    plot = _LAST.get(left // spread) if left % spread == 0 else None
    return plot or random.choices(_PLOTS, _WEIGHTS)[0]


def _abandoned(story: Story) -> None:
    """The buyer went away; Stripe closes the page after a day."""
    _expire(story)


def _never_opened(story: Story) -> None:
    """Stripe couldn't be reached; the nightly comparison finds that nobody can pay it."""
    row = story.row
    row |= {"stripe_checkout_session_id": None, "checkout_url": None, "expires_at": None}
    row["checkout_attempt"] = 2
    at = row["created_at"] + dt.timedelta(hours=story.world.random.uniform(2, 26))
    if story.reaches(at):
        story.record(at, {"expired_at": at}, _RECONCILED)


def _card(story: Story) -> None:
    """Paid within minutes."""
    at = _paid_at(story)
    if at is not None:
        _pay(story, at, "checkout.session.completed")


def _bank_debit(story: Story) -> None:
    """Complete at once, paid days later, or not."""
    at = _paid_at(story)
    if at is None:
        return
    random, session_id = story.world.random, story.row["stripe_checkout_session_id"]
    story.payment_intent_id = new_stripe_id(random, "pi")
    completed = {
        "session_completed_at": at,
        "stripe_payment_intent_id": story.payment_intent_id,
    }
    story.record(at, completed, story.hear(at, "checkout.session.completed", session_id))
    at += dt.timedelta(days=random.uniform(1.5, 4.5))
    if not story.reaches(at):
        return
    if random.random() < 0.88:
        _pay(story, at, "checkout.session.async_payment_succeeded")
    else:
        cause = story.hear(at, "checkout.session.async_payment_failed", session_id)
        story.record(at, {"failed_at": at}, cause)


def _refunded(story: Story) -> None:
    """Paid, and all of it given back."""
    _card(story)
    _refund(story, 1.0, days=25)


def _refunded_in_part(story: Story) -> None:
    """Paid, and some of it given back, perhaps twice."""
    _card(story)
    random = story.world.random
    _refund(story, random.choice((0.1, 0.2, 0.25, 0.5)), days=25)
    if random.random() < 0.2:
        _refund(story, 0.25, days=20)


def _refund_failed(story: Story) -> None:
    """The buyer's bank sends the money back: the credits return too."""
    _card(story)
    told = _refund(story, 1.0, days=20)
    if told is None:
        return
    refund_id, at = told
    at += dt.timedelta(days=story.world.random.uniform(3, 9))
    if story.reaches(at):
        amount = story.refunds[refund_id]["amount"]
        story.refund(at, refund_id, amount, "failed")


def _disputed(story: Story) -> None:
    """The bank takes the money; weeks later somebody wins."""
    won = story.world.random.random() < 0.4
    opened = _dispute(story, "needs_response", Funds.WITHDRAWN)
    if opened is None:
        return
    dispute_id, at = opened
    if story.reaches(at):
        funds = Funds.RETURNED if won else Funds.WITHDRAWN
        story.dispute(at, dispute_id, "won" if won else "lost", funds, "closed")


def _inquiry(story: Story) -> None:
    """The bank asks and takes nothing."""
    opened = _dispute(story, "warning_needs_response", Funds.NONE)
    if opened is not None and story.reaches(opened[1]):
        story.dispute(opened[1], opened[0], "warning_closed", Funds.NONE, "closed")


def _contradiction(story: Story) -> None:
    """Paid less than it costs: somebody has to look, and in time decides."""
    at = _paid_at(story)
    if at is None:
        return
    row, random = story.row, story.world.random
    paid = row["unit_amount"] * 9 // 10
    flag = f"amount_subtotal is {paid}, expected {row['unit_amount']}"
    session_id = row["stripe_checkout_session_id"]
    payment_intent_id = story.payment_intent_id = new_stripe_id(random, "pi")
    cause = story.hear(at, "checkout.session.completed", session_id, Verdict.REVIEW)
    story.record(at, {"review_reason": flag}, cause, flag=flag)
    at += dt.timedelta(days=random.uniform(0.2, _DECIDED_AFTER_DAYS))
    if story.reaches(at):
        _decide(story, at, payment_intent_id, paid)


def _unheard(story: Story) -> None:
    """Paid, but the app failed to take the event and Stripe will tell it again."""
    at = _paid_at(story)
    if at is not None:
        session_id = story.row["stripe_checkout_session_id"]
        failed = {"error_class": "ReceiverFailed", "attempts": 3, "purchase_id": None}
        story.hear(at, "checkout.session.completed", session_id, Verdict.FAILED, **failed)


def _foreign_refund(story: Story) -> None:
    """Paid; then a refund in another currency, which nobody can set against it."""
    _card(story)
    at = story.row["updated_at"] + dt.timedelta(hours=1)
    if story.row["paid_at"] is None or not story.reaches(at):
        return
    refund_id = new_stripe_id(story.world.random, "re")
    cause = story.hear(at, "refund.created", refund_id, Verdict.REVIEW)
    flag = f"refund {refund_id} is in gbp, expected {story.row['currency']}"
    story.note(at, "event.review", "stripe", {"reason": flag, "cause": cause})


def _beside_an_orphan(story: Story) -> None:
    """Paid; and another purchase of the same minute is one that a restored backup lost."""
    _card(story)
    at = _paid_at(story)
    if at is not None:
        lost = uuid.UUID(int=story.row["id"].int ^ 1)
        session_id = new_stripe_id(story.world.random, "cs_test")
        type = "checkout.session.completed"
        cause = story.hear(at, type, session_id, Verdict.ORPHAN, purchase_id=lost)
        reason = {"reason": "the purchase is missing", "cause": cause}
        story.note(at, "event.orphan", "stripe", reason, purchase_id=lost)


_PLOTS, _WEIGHTS = zip(
    (_card, 61.8),
    (_abandoned, 27.0),
    (_bank_debit, 5.0),
    (_refunded, 2.4),
    (_refunded_in_part, 1.8),
    (_never_opened, 0.8),
    (_disputed, 0.6),
    (_refund_failed, 0.3),
    (_contradiction, 0.2),
    (_inquiry, 0.1),
    strict=True,
)
_LAST: dict[int, Plot] = {
    1: _abandoned,
    3: _bank_debit,
    5: _unheard,
    8: _contradiction,
    9: _bank_debit,
    12: _foreign_refund,
    14: _beside_an_orphan,
}


def _paid_at(story: Story) -> dt.datetime | None:
    """When the buyer has paid; None if that is still to come."""
    minutes = min(story.world.random.lognormvariate(1.0, 0.7), 600)
    at: dt.datetime = story.row["created_at"] + dt.timedelta(minutes=minutes)
    return at if story.reaches(at) else None


def _pay(story: Story, at: dt.datetime, type: str) -> None:
    row, random = story.row, story.world.random
    if story.payment_intent_id is None:
        story.payment_intent_id = new_stripe_id(random, "pi")
    facts = {
        "session_completed_at": row["session_completed_at"] or at,
        "paid_at": at,
        "amount_paid": row["unit_amount"],
        "stripe_payment_intent_id": story.payment_intent_id,
    }
    cause = story.hear(at, type, row["stripe_checkout_session_id"])
    if type == "checkout.session.completed" and random.random() < 0.35:
        # The buyer was back before the webhook came.
        facts["stripe_checked_at"] = at
        cause = "return page"
    story.record(at, facts, cause)


def _expire(story: Story) -> None:
    at = story.row["expires_at"]
    if story.reaches(at):
        session_id = story.row["stripe_checkout_session_id"]
        cause = story.hear(at, "checkout.session.expired", session_id)
        story.record(at, {"expired_at": at}, cause)


def _refund(story: Story, share: float, *, days: float) -> tuple[str, dt.datetime] | None:
    """Give back a share of what was paid; the refund's id and when, None if it is still to come."""
    row, random = story.row, story.world.random
    if row["paid_at"] is None:
        return None
    at = row["updated_at"] + dt.timedelta(days=days * random.random() ** 2, minutes=20)
    if not story.reaches(at):
        return None
    refund_id = new_stripe_id(random, "re")
    story.refund(at, refund_id, max(1, int(row["amount_paid"] * share)), "succeeded")
    return refund_id, at


def _dispute(story: Story, status: str, funds: Funds) -> tuple[str, dt.datetime] | None:
    """Pay and open a dispute; its id and when it closes, None if it is still to come."""
    _card(story)
    row, random = story.row, story.world.random
    if row["paid_at"] is None:
        return None
    at = row["paid_at"] + dt.timedelta(days=random.uniform(2, 45))
    if not story.reaches(at):
        return None
    dispute_id = new_stripe_id(random, "dp")
    story.dispute(at, dispute_id, status, funds, "created")
    return dispute_id, at + dt.timedelta(days=random.uniform(15, 70))


def _decide(story: Story, at: dt.datetime, payment_intent_id: str, paid: int) -> None:
    """An operator accepts or dismisses, and the event that told it is decided with it."""
    row, accepted = story.row, story.world.random.random() < 0.4
    decision, note = (
        ("accepted", "agreed with the buyer") if accepted else ("dismissed", "refunded")
    )
    facts = {
        "review_decision": str(decision),
        "reviewed_at": at,
        "reviewed_by": OPERATOR,
        "review_note": note,
    }
    if accepted:
        facts |= {
            "session_completed_at": at,
            "paid_at": at,
            "amount_paid": paid,
            "stripe_payment_intent_id": payment_intent_id,
        }
    story.record(at, facts, f"operator {OPERATOR}", actor=OPERATOR)
    details = {"review_reason": row["review_reason"], "reason": note}
    story.note(at, f"purchase.{decision}", OPERATOR, details)
    for event in story.events:
        event["verdict"] = Verdict.HANDLED if accepted else Verdict.DISMISSED
        event["updated_at"] = at
