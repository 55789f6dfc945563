"""Do once more what an event said: ask, then do it; and the list of events that failed."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from ....errors import FulfillmentError, GatewayError, NotConfigured, ReplayRefused
from ....facts import Row, Verdict
from ....logs import Log
from ....models import Models
from ....purchase_search import find_purchase
from ....reading import reading
from ....replays import Replayed, replay_event
from ....state import AppState, current_state
from ....stripe_objects import is_stripe_id
from ..formats import number
from ..texts import text
from . import words
from .messages import leave_message, told
from .purchase import Known, read_known

log: Log = Log(__name__)

_MOST_SHOWN = 100
# What an operator has to decide on, or has decided, isn't replayed.
_NOT_REPLAYED = (Verdict.REVIEW, Verdict.ORPHAN, Verdict.DISMISSED)


def can_be_replayed(verdict: str) -> bool:
    """Whether an event that has this verdict can be replayed."""
    return verdict not in _NOT_REPLAYED


def failed_events(connection: sa.Connection, models: Models) -> list[Row]:
    """The events that failed and weren't handled since, newest first; a hundred at most."""
    table = models.table(models.WebhookEvent)
    query = (
        sa.select(table)
        .where(table.c.verdict == Verdict.FAILED)
        .order_by(table.c.received_at.desc())
        .limit(_MOST_SHOWN)
    )
    return cast(list[Row], connection.execute(query).mappings().all())


def replay(actor: str, event_id: str) -> ResponseReturnValue:
    """Say what a replay does, then do it."""
    state = current_state()
    if not is_stripe_id(event_id):
        raise NotFound
    table = state.models.table(state.models.WebhookEvent)
    with reading(state) as connection:
        found = connection.execute(sa.select(table).where(table.c.stripe_event_id == event_id))
        event = cast(Row | None, found.mappings().first())
        if event is None:
            raise NotFound
        known = _about(connection, state, event)
    back = _back(known)
    if request.method == "POST":
        _replay(state, event, actor)
        return redirect(back, 303)
    return render_template(
        "flask_stripe_credits/dashboard/replay.html",
        event=event,
        known=known,
        words=words,
        possible=can_be_replayed(event["verdict"]),
        back=back,
    )


def _replay(state: AppState, event: Row, actor: str) -> None:
    """Do it, and leave word of what it came to. Repeated, it grants nothing twice."""
    event_id = event["stripe_event_id"]
    try:
        replayed = replay_event(state, event_id, actor=actor)
    except ReplayRefused as error:
        leave_message(text("Nothing was done: %(reason)s.", reason=error), "bad")
    except (GatewayError, NotConfigured, FulfillmentError) as error:
        log.warning(
            "act_failed",
            "%s of %s by %s failed: %s",
            "replay",
            event_id,
            actor,
            error,
            purchase_id=event["purchase_id"],
        )
        leave_message(text("It failed again: %(reason)s.", reason=told(error)), "bad")
    else:
        leave_message(*_told(replayed))


def _told(replayed: Replayed) -> tuple[str, str]:
    if replayed.problem is not None:
        return text("Replayed: %(problem)s.", problem=replayed.problem), "wait"
    if replayed.credits:
        credits = number(replayed.credits, signed=True)
        return text("Replayed: %(credits)s credits.", credits=credits), "good"
    return text("Replayed: nothing had to change."), "good"


def _about(connection: sa.Connection, state: AppState, event: Row) -> Known | None:
    """The purchase that an event is about; one that failed doesn't name it."""
    purchase_id = event["purchase_id"]
    if purchase_id is None and event["object_id"] is not None:
        purchase_id = find_purchase(connection, state.models, event["object_id"])
    try:
        return read_known(connection, state, purchase_id) if purchase_id is not None else None
    except NotFound:
        return None


def _back(known: Known | None) -> str:
    if known is None:
        return url_for("stripe_credits_pages.dashboard_reviews")
    return url_for("stripe_credits_pages.dashboard_purchase", purchase_id=known.row["id"])
