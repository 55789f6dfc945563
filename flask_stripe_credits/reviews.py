"""An operator accepts or dismisses what doesn't fit: Stripe is asked, then one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from .errors import GatewayError, ReviewError
from .facts import (
    Decision,
    FlaggedEvent,
    Recorded,
    Row,
    Ruling,
    Verdict,
    record_acceptance,
    record_dismissal,
    record_event_acceptance,
    record_event_dismissal,
    undecided_or_raise,
)
from .fulfillment import settle
from .logs import Log
from .notices import log_act
from .reading import reading
from .review_queue import flagged_by_itself
from .state import AppState
from .stripe_objects import is_stripe_id, parse_uuid
from .tables import LONGEST_USER_ID
from .unit_of_work import UnitOfWork

log: Log = Log(__name__)

_LONGEST_CAUSE = 255
_WHAT_WAITS = "`flask credits review list` shows what waits"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision came to.

    :ivar purchase_id: None for an orphan, whose purchase is missing.
    :ivar status: the purchase's status now.
    :ivar posted: whole credits of all its grants now.
    :ivar undelivered: grants that are posted and not handed to the credit manager yet.
    :ivar never: whole credits, signed, of the grants that were not handed over when the purchase
        was dismissed, and never will be; None when there are none.
    :ivar refusal: a receiver refused what was accepted: the purchase is in review (again).
    """

    purchase_id: str | None
    status: str | None
    posted: int
    refusal: str | None = None
    undelivered: int = 0
    never: int | None = None

    @property
    def granted(self) -> int:
        """Whole credits that the buyer has, or is going to have."""
        return self.posted - (self.never or 0)


def accept(state: AppState, target: str, ruling: Ruling) -> Outcome:
    """Accept a purchase in review, or a session's event in review. Commits.

    Stripe is asked first what the session says. A purchase counts as what it says; an event's
    session becomes the session of the purchase that it names, if that is unpaid and it fits.

    :param target: a purchase's id or an event's.
    :raises ReviewError: it doesn't wait for a decision, or can't be accepted.
    :raises GatewayError, NotConfigured: Stripe can't be asked; nothing is changed.
    :raises NoReceiver, ReceiverFailed, DatabaseBusy: as :func:`.fulfillment.settle`.
    """
    _check(ruling)
    purchase_id = parse_uuid(target)
    if purchase_id is not None:
        return _accept_purchase(state, purchase_id, ruling)
    return _accept_event(state, _read_event(state, target), ruling)


def dismiss(state: AppState, target: str, ruling: Ruling) -> Outcome:
    """Dismiss a purchase or an event in review, or an orphan. Commits; Stripe isn't asked.

    What is posted for a purchase stays as it is, for good; never granted, it has failed.

    :param target: a purchase's id or an event's.
    :raises ReviewError: it doesn't wait for a decision.
    :raises DatabaseBusy: nothing is changed.
    """
    _check(ruling)
    purchase_id = parse_uuid(target)
    if purchase_id is not None:
        purchase = _read_purchase(state, purchase_id, dismissing=True)
        return _settle(
            state,
            lambda uow: record_dismissal(uow, purchase["id"], ruling),
            _Act("purchase.dismissed", ruling, {"review_reason": purchase["review_reason"]}),
        )
    event = _read_event(state, target)
    return _settle(
        state,
        lambda uow: record_event_dismissal(uow, event, ruling),
        _Act("event.dismissed", ruling, {"event_id": event.id, "object_id": event.object_id}),
    )


def _check(ruling: Ruling) -> None:
    if not ruling.reason.strip():
        raise ReviewError("say why: the reason is empty")
    if not 1 <= len(ruling.by) <= LONGEST_USER_ID:
        raise ReviewError(f"say who decides, in 1 to {LONGEST_USER_ID} characters")


def _accept_purchase(state: AppState, purchase_id: uuid.UUID, ruling: Ruling) -> Outcome:
    purchase = _read_purchase(state, purchase_id)
    session_id = purchase["stripe_checkout_session_id"]
    if session_id is None:
        raise ReviewError(f"purchase {purchase_id} has no session: it can only be dismissed")
    session = state.gateway.retrieve_checkout_session(session_id)
    return _settle(
        state,
        lambda uow: record_acceptance(uow, purchase_id, session, ruling),
        _Act("purchase.accepted", ruling, {"review_reason": purchase["review_reason"]}),
    )


def _accept_event(state: AppState, event: FlaggedEvent, ruling: Ruling) -> Outcome:
    if event.object_id is None or not event.type.startswith("checkout.session."):
        raise ReviewError(f"event {event.id} is a {event.type}: it can only be dismissed")
    session = state.gateway.retrieve_checkout_session(event.object_id)
    replaced: list[str] = []

    def record(uow: UnitOfWork) -> Recorded:
        recorded = record_event_acceptance(uow, event, session, ruling)
        before = cast(Row, recorded.purchase)["stripe_checkout_session_id"]
        replaced[:] = [before] if before is not None else []
        return recorded

    details = {"event_id": event.id, "object_id": event.object_id}
    outcome = _settle(state, record, _Act("event.accepted", ruling, details))
    for session_id in replaced:
        _close(state, session_id)
    return outcome


def _close(state: AppState, session_id: str) -> None:
    """Let nobody pay the session that was replaced, too."""
    try:
        state.gateway.expire_checkout_session(session_id)
    except GatewayError as error:
        log.warning(
            "session_not_expired",
            "checkout session %s could not be expired: %s",
            session_id,
            error,
            stripe_request_id=getattr(error, "request_id", None),
        )


def _read_purchase(state: AppState, purchase_id: uuid.UUID, *, dismissing: bool = False) -> Row:
    table = state.models.table(state.models.Purchase)
    with reading(state) as connection:
        query = sa.select(table).where(table.c.id == purchase_id)
        found = connection.execute(query).mappings().first()
    if found is None:
        raise ReviewError(f"there is no purchase {purchase_id}, {_WHAT_WAITS}")
    purchase = cast(Row, found)
    undecided_or_raise(purchase)
    # What is left of a test after going live can still be put aside.
    harmless = dismissing and not purchase["livemode"]
    if purchase["livemode"] != state.settings.require_livemode() and not harmless:
        raise ReviewError(f"purchase {purchase_id} is of the other mode than the API key")
    return purchase


def _read_event(state: AppState, event_id: str) -> FlaggedEvent:
    table = state.models.table(state.models.WebhookEvent)
    with reading(state) as connection:
        flagged = flagged_by_itself(state.models).label("flagged")
        query = sa.select(table, flagged).where(table.c.stripe_event_id == event_id)
        known = is_stripe_id(event_id)
        found = connection.execute(query).mappings().first() if known else None
    if found is None:
        raise ReviewError(f"there is no purchase or event {event_id}, {_WHAT_WAITS}")
    if found["verdict"] == Verdict.REVIEW and not found["flagged"]:
        raise ReviewError(
            f"event {event_id} is about purchase {found['purchase_id']}, which is in review: "
            f"decide on the purchase"
        )
    if found["verdict"] not in (Verdict.REVIEW, Verdict.ORPHAN):
        raise ReviewError(f"event {event_id} isn't in review: {found['verdict']}, {_WHAT_WAITS}")
    return FlaggedEvent(event_id, found["type"], found["object_id"], found["purchase_id"])


@dataclass(frozen=True, slots=True)
class _Act:
    """What an operator does, for the audit log."""

    action: str
    ruling: Ruling
    details: dict[str, Any]


def _settle(state: AppState, record: Callable[[UnitOfWork], Recorded], act: _Act) -> Outcome:
    refusals: list[str] = []

    def finish(uow: UnitOfWork, recorded: Recorded) -> None:
        refused = recorded.verdict is Verdict.REVIEW
        refusals[:] = [recorded.flag or ""] if refused else []
        _note(uow, recorded, act)
        if not refused and recorded.purchase is not None:
            _decide_its_events(uow, recorded, act)

    cause = f"operator {act.ruling.by}"[:_LONGEST_CAUSE]
    recorded = settle(state, record, cause=cause, finish=finish)
    return _outcome(state, recorded, refusals[0] if refusals else None)


def _note(uow: UnitOfWork, recorded: Recorded, act: _Act) -> None:
    details = act.details | {"reason": act.ruling.reason}
    if recorded.verdict is Verdict.REVIEW:
        details["refused"] = recorded.flag
    log_act(uow, act.ruling.by, act.action, recorded.purchase_id, details)


def _decide_its_events(uow: UnitOfWork, recorded: Recorded, act: _Act) -> None:
    """The events that put the purchase in review are decided with it."""
    if not act.action.startswith("purchase."):
        return
    dismissed = act.action == "purchase.dismissed"
    events = uow.models.table(uow.models.WebhookEvent)
    uow.execute(
        sa.update(events)
        .where(
            events.c.purchase_id == recorded.purchase_id,
            events.c.verdict == Verdict.REVIEW,
            ~flagged_by_itself(uow.models),
        )
        .values(verdict=Verdict.DISMISSED if dismissed else Verdict.HANDLED, updated_at=uow.now)
    )


def _outcome(state: AppState, recorded: Recorded, refusal: str | None) -> Outcome:
    models, purchase_id = state.models, recorded.purchase_id
    purchases, grants = models.table(models.Purchase).c, models.table(models.Grant).c
    posted = sa.cast(sa.func.coalesce(sa.func.sum(grants.credits), 0), sa.BigInteger)
    is_waiting = grants.delivered_at.is_(None)
    of_waiting = sa.cast(sa.func.sum(grants.credits).filter(is_waiting), sa.BigInteger)
    its_grants = sa.select(
        posted.label("posted"),
        of_waiting.label("of_waiting"),
        sa.func.count().filter(is_waiting).label("waiting"),
    ).where(grants.purchase_id == purchase_id)
    decided = sa.select(purchases.status, purchases.review_decision).where(
        purchases.id == purchase_id
    )
    with reading(state) as connection:
        status, decision = connection.execute(decided).first() or (None, None)
        found = connection.execute(its_grants).one()
    is_final = decision == Decision.DISMISSED
    return Outcome(
        purchase_id=None if purchase_id is None else str(purchase_id),
        status=status,
        posted=found.posted,
        refusal=refusal,
        undelivered=0 if is_final else found.waiting,
        never=found.of_waiting if is_final else None,
    )
