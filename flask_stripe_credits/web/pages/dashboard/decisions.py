"""What waits for a decision, and the form that asks before one is made."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from .... import reviews
from ....errors import FulfillmentError, GatewayError, NotConfigured, ReviewError
from ....facts import Ruling
from ....logs import Log
from ....reading import reading
from ....review_queue import Waiting, waiting
from ....state import AppState, current_state
from ....stripe_objects import parse_uuid
from ..formats import number
from ..texts import text
from .messages import leave_message, take_message, told
from .purchase import Known, read_known
from .replay import failed_events

log: Log = Log(__name__)

_DECIDE = {"accept": reviews.accept, "dismiss": reviews.dismiss}
LONGEST_REASON = 1_000


def waiting_list(actor: str) -> str:
    """Everything that waits for an operator, and the events that failed."""
    state = current_state()
    with reading(state) as connection:
        failed = failed_events(connection, state.models)
    return render_template(
        "flask_stripe_credits/dashboard/reviews.html",
        waiting=list(waiting(state)),
        failed=failed,
        message=take_message(),
    )


def decide(actor: str, target: str, decision: str) -> ResponseReturnValue:
    """Ask for the reason, then accept or dismiss."""
    if decision not in _DECIDE:
        raise NotFound
    state, problem = current_state(), None
    found = _find(state, target)
    if found is None:
        if request.method == "GET":
            raise NotFound
        leave_message(text("It doesn't wait for a decision any more: nothing was changed."), "wait")
        return redirect(url_for("stripe_credits_pages.dashboard_reviews"), 303)
    reason = request.form.get("reason", "").strip()
    if request.method == "POST":
        problem = _problem_of(reason)
        if problem is None:
            return _decide(state, found, decision, Ruling(actor, reason))
    page = render_template(
        "flask_stripe_credits/dashboard/decide.html",
        found=found,
        decision=decision,
        known=_known(state, found),
        reason=reason,
        problem=problem,
        longest=LONGEST_REASON,
        back=_back(found),
    )
    return page, 422 if problem else 200


def _problem_of(reason: str) -> str | None:
    if not reason:
        return text("Say why: it is written down with your name.")
    if len(reason) > LONGEST_REASON or "\0" in reason:
        return text("The reason may have up to %(number)s characters.", number=LONGEST_REASON)
    return None


def _find(state: AppState, target: str) -> Waiting | None:
    """What waits under this id; None if nothing does, or it was decided meanwhile."""
    return next((one for one in waiting(state) if one.id == target), None)


def _known(state: AppState, found: Waiting) -> Known | None:
    purchase_id = parse_uuid(found.purchase_id or "")
    if purchase_id is None or found.kind == "orphan":
        return None
    with reading(state) as connection:
        return read_known(connection, state, purchase_id)


def _decide(state: AppState, found: Waiting, decision: str, ruling: Ruling) -> ResponseReturnValue:
    try:
        outcome = _DECIDE[decision](state, found.id, ruling)
    except ReviewError as error:
        leave_message(text("Nothing was changed: %(reason)s.", reason=error), "bad")
    except (GatewayError, NotConfigured, FulfillmentError) as error:
        log.warning(
            "act_failed",
            "%s of %s by %s failed: %s",
            decision,
            found.id,
            ruling.by,
            error,
            purchase_id=found.purchase_id,
        )
        leave_message(
            text("Nothing was changed: %(reason)s. Try again.", reason=told(error)), "bad"
        )
    else:
        _tell(outcome, decision)
    return redirect(_back(found), 303)


def _tell(outcome: reviews.Outcome, decision: str) -> None:
    if outcome.refusal is not None:
        message = text("It is in review again: %(reason)s.", reason=outcome.refusal)
        leave_message(message, "bad")
    elif decision == "accept":
        posted = number(outcome.posted)
        leave_message(text("Accepted. Credits granted now: %(number)s.", number=posted))
    else:
        granted = number(outcome.granted)
        leave_message(text("Dismissed. Credits granted now: %(number)s.", number=granted))


def _back(found: Waiting) -> str:
    if found.purchase_id is None or found.kind == "orphan":
        return url_for("stripe_credits_pages.dashboard_reviews")
    return url_for("stripe_credits_pages.dashboard_purchase", purchase_id=found.purchase_id)
