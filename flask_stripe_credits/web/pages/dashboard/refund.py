"""Give money back: how much and why, then what it comes to, then it is done."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from decimal import Decimal

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ....errors import GatewayError, NotConfigured, RefundRefused, RefundUnrecorded
from ....facts import Reversals, posts_nothing, target
from ....logs import Log
from ....money import Money, smallest_step
from ....reading import reading
from ....refunds import LONGEST_REASON, Refunded, RefundOutcome, refund_purchase
from ....state import AppState, current_state
from ..formats import money
from ..texts import text
from .messages import leave_message
from .purchase import Known, read_known

log: Log = Log(__name__)

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form says.

    :ivar written: the amount as it was typed, in major units.
    :ivar amount: minor units; None when it can't be, and ``problem`` says why.
    """

    written: str
    reason: str
    amount: int | None = None
    problem: str | None = None


def refund(actor: str, purchase_id: uuid.UUID) -> ResponseReturnValue:
    """Ask how much, then show what it comes to, then do it."""
    state = current_state()
    with reading(state) as connection:
        known = read_known(connection, state, purchase_id)
    if request.method == "POST":
        wish = _read(known, request.form.get("amount", ""), request.form.get("reason", ""))
        if wish.amount is not None:
            _refund(state, known, wish.amount, wish.reason, actor)
            return redirect(_page_of(known), 303)
    elif "amount" in request.args:
        wish = _read(known, request.args["amount"], request.args.get("reason", ""))
    else:
        wish = Wish(_major(known, known.refundable), "")
    page = render_template(
        "flask_stripe_credits/dashboard/refund.html",
        known=known,
        purchase=known.row,
        wish=wish,
        longest=LONGEST_REASON,
        taken_back=None if wish.amount is None else credits_taken_back(state, known, wish.amount),
        back=_page_of(known),
    )
    return page, 422 if wish.problem else 200


def credits_taken_back(state: AppState, known: Known, amount: int) -> int:
    """How many credits the customer loses if ``amount`` minor units more go back."""
    if posts_nothing(known.row):
        return 0
    then = Reversals(known.reversals.refunded + amount, known.reversals.disputed)
    due = target(known.row, then, allow_free=state.settings.allow_free)
    return max(known.posted - due, 0)


def _read(known: Known, written: str, reason: str) -> Wish:
    written, reason = written.strip(), reason.strip()
    amount, problem = _amount(known, written)
    if len(reason) > LONGEST_REASON or "\0" in reason:
        problem = text("The reason may have up to %(number)s characters.", number=LONGEST_REASON)
    return Wish(written, reason, None if problem else amount, problem)


def _amount(known: Known, written: str) -> tuple[int | None, str | None]:
    """The amount in minor units, or what is wrong with it."""
    currency, left = known.row["currency"], known.refundable
    if left == 0:
        return None, text("Nothing is left that could be refunded.")
    try:
        amount = _minor(written, currency)
    except ValueError:
        example = _major(known, left)
        return None, text("Write the amount like this: %(example)s.", example=example)
    if not 0 < amount <= left:
        most = money(left, currency)
        return None, text("It can be up to %(most)s, and more than nothing.", most=most)
    if amount % smallest_step(currency):
        step = money(smallest_step(currency), currency)
        return None, text("It has to be a multiple of %(step)s.", step=step)
    return amount, None


def _minor(written: str, currency: str) -> int:
    if not _AMOUNT.fullmatch(written):
        raise ValueError(written)
    return Money.from_major(Decimal(written), currency).amount


def _major(known: Known, amount: int) -> str:
    return str(Money(amount, known.row["currency"]).major)


def _refund(state: AppState, known: Known, amount: int, reason: str, actor: str) -> None:
    """Do it, and leave word of what it came to. Repeated, it gives nothing back twice."""
    try:
        outcome = refund_purchase(
            state, known.row["id"], amount=amount, reason=reason or None, actor=actor
        )
    except RefundRefused as error:
        leave_message(text("Nothing was refunded: %(reason)s.", reason=error), "bad")
    except RefundUnrecorded as error:
        leave_message(str(error), "wait")
    except (GatewayError, NotConfigured) as error:
        log.warning(
            "act_failed",
            "%s of %s by %s failed: %s",
            "refund",
            known.row["id"],
            actor,
            error,
            purchase_id=known.row["id"],
        )
        leave_message(
            text(
                "Stripe didn't take it: %(reason)s. Try again: it is never made twice.",
                reason=error,
            ),
            "bad",
        )
    else:
        leave_message(*_told(outcome, known))


def _told(outcome: RefundOutcome, known: Known) -> tuple[str, str]:
    amount = money(outcome.amount, outcome.currency)
    if outcome.how is Refunded.MADE_BEFORE:
        told = text(
            "%(amount)s were refunded before, by %(actor)s: nothing was done now. To give the same "
            "amount back once more, use the command line with --again.",
            amount=amount,
            actor=outcome.actor,
        )
        return told, "wait"
    taken_back = outcome.credits_revoked - known.row["credits_revoked"]
    told = text(
        "%(amount)s refunded; %(credits)s credits were taken back.",
        amount=amount,
        credits=f"{taken_back:,}",
    )
    return told, "good"


def _page_of(known: Known) -> str:
    return url_for("stripe_credits_pages.dashboard_purchase", purchase_id=known.row["id"])
