"""Do once more what an event says: what failed, or what never reached us.

No payload of an event is kept. What an event was about is read from Stripe again, as it is now,
and goes the way of a webhook: facts are recorded, and the purchase is fulfilled.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import sqlalchemy as sa

from .errors import (
    DatabaseBusy,
    GatewayKeyRefused,
    GatewayUnavailable,
    NotConfigured,
    ReplayRefused,
    StripeCreditsError,
    TablesOutOfDate,
)
from .facts import Recorded, Row, Verdict
from .notices import log_act
from .reading import read_pages, reading
from .state import AppState
from .stripe_objects import Event, is_stripe_id
from .unit_of_work import UnitOfWork
from .webhooks.handlers import HANDLERS
from .webhooks.receive import take_event

KEPT_AT_STRIPE = dt.timedelta(days=30)

_HOW_TO_DECIDE = "`flask credits review list` shows it"
_HOW_TO_REBUILD = "`flask credits review list` shows how to make it again"
_PROBLEMS = {
    Verdict.REVIEW: f"it waits for a decision: {_HOW_TO_DECIDE}",
    Verdict.ORPHAN: f"its purchase is missing: {_HOW_TO_REBUILD}",
}

# The next event would meet the same.
_ENDS_A_RUN = (
    DatabaseBusy,
    GatewayKeyRefused,
    GatewayUnavailable,
    NotConfigured,
    TablesOutOfDate,
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one event.

    :ivar type: as Stripe names it; None when the event isn't known.
    :ivar verdict: ``handled``, ``ignored`` (not ours), ``kept`` (of a payment that no purchase is
        known for yet), ``review`` or ``orphan``; None when nothing was done.
    :ivar credits: whole credits, signed, that it moved now.
    :ivar problem: why nothing was done, or who has to do something; None when all is well.
    """

    event_id: str
    type: str | None
    object_id: str | None
    verdict: str | None
    purchase_id: str | None = None
    credits: int = 0
    problem: str | None = None


def replay_event(state: AppState, event_id: str, *, actor: str) -> Replayed:
    """Replay one event, whether our inbox knows it or only Stripe does. Commits; safe to repeat.

    :param event_id: Stripe's, ``evt_…``.
    :param actor: who wants it, for the audit log.
    :raises ReplayRefused: nobody knows it, it waits for an operator, or was dismissed by one.
    :raises GatewayError, NotConfigured: Stripe can't be asked.
    :raises FulfillmentError, DatabaseBusy, TablesOutOfDate: nothing is kept but a note in the
        inbox; replay it again.
    """
    if not is_stripe_id(event_id):
        raise ReplayRefused("this is no event's id: Stripe's begin with evt_")
    known = _inbox_row(state, event_id)
    if known is not None:
        _refuse_what_waits(known)
        return _read_again(state, known, actor)
    event = state.gateway.find_event(event_id)
    if event is None:
        raise ReplayRefused(
            f"Stripe has no event {event_id}; it keeps them for 30 days. `flask credits reconcile` "
            f"compares the objects themselves, whatever their age"
        )
    return _take(state, event, actor)


def replay_failed(state: AppState, *, actor: str) -> Iterator[Replayed]:
    """Replay every event that failed here and wasn't taken since. Commits each.

    :raises GatewayUnavailable, GatewayKeyRefused, NotConfigured, DatabaseBusy, TablesOutOfDate:
        as the next one would fail as well; run it again.
    """
    events = state.models.table(state.models.WebhookEvent)
    query = sa.select(events.c.stripe_event_id, events).where(events.c.verdict == Verdict.FAILED)
    for row in read_pages(state, query, events.c.stripe_event_id):
        known = cast(Row, row._mapping)
        about = known["stripe_event_id"], known["type"], known["object_id"]
        yield _tried(*about, partial(_read_again, state, known, actor))


def replay_since(state: AppState, since: dt.datetime, *, actor: str) -> Iterator[Replayed]:
    """Replay every event at Stripe of the types that we handle. Commits each.

    All that was told since then is told again, so each is taken as it was made. Those that wait
    for an operator, or were dismissed, are left alone.

    :param since: aware; what is older than 30 days, Stripe has forgotten.
    :raises GatewayUnavailable, GatewayKeyRefused, NotConfigured, DatabaseBusy, TablesOutOfDate:
        as :func:`replay_failed`.
    """
    after = None
    while True:
        page = state.gateway.page_events(since=since, types=list(HANDLERS), after=after)
        for event in page.items:
            about = event.id, event.type, event.object_id
            yield _tried(*about, partial(_told, state, event, actor))
        if (after := page.after) is None:
            return


def _tried(
    event_id: str, type: str, object_id: str | None, take: Callable[[], Replayed]
) -> Replayed:
    """One of many: what only it meets is told and doesn't keep the others waiting."""
    try:
        return take()
    except _ENDS_A_RUN:
        raise
    except StripeCreditsError as error:
        return Replayed(event_id, type, object_id, None, problem=str(error))


def _read_again(state: AppState, known: Row, actor: str) -> Replayed:
    return _take(state, _as_it_is_now(state, known), actor)


def _told(state: AppState, event: Event, actor: str) -> Replayed:
    known = _inbox_row(state, event.id)
    if known is not None:
        _refuse_what_waits(known)
    return _take(state, event, actor)


def _inbox_row(state: AppState, event_id: str) -> Row | None:
    events = state.models.table(state.models.WebhookEvent)
    with reading(state) as connection:
        found = connection.execute(sa.select(events).where(events.c.stripe_event_id == event_id))
        return cast(Row | None, found.mappings().first())


def _refuse_what_waits(known: Row) -> None:
    id, verdict = known["stripe_event_id"], known["verdict"]
    if verdict == Verdict.DISMISSED:
        raise ReplayRefused(f"event {id} was dismissed by an operator: it stays without effect")
    if verdict == Verdict.REVIEW:
        raise ReplayRefused(f"event {id} waits for a decision, {_HOW_TO_DECIDE}")
    if verdict == Verdict.ORPHAN:
        raise ReplayRefused(f"the purchase of event {id} is missing, {_HOW_TO_REBUILD}")


def _as_it_is_now(state: AppState, known: Row) -> Event:
    """The event with what it was about, read again."""
    id, object_id = known["stripe_event_id"], known["object_id"]
    found = None
    if object_id is not None:
        found = state.gateway.find_object_of(known["type"], object_id)
    if found is None:
        raise ReplayRefused(f"Stripe has no {object_id}, which event {id} was about")
    return Event(
        id=id,
        type=known["type"],
        created=known["created"],
        api_version=known["api_version"],
        # The API shows only what is of the key's own mode and account.
        livemode=state.settings.require_livemode(),
        account=None,
        payload={"data": {"object": found}},
    )


def _take(state: AppState, event: Event, actor: str) -> Replayed:
    moved: list[int] = []

    def note(uow: UnitOfWork, recorded: Recorded) -> None:
        moved[:] = _moved(uow, event, recorded)
        _close_failure(uow, event, recorded)
        if recorded.verdict is not Verdict.IGNORED:
            details = {"event_id": event.id, "type": event.type, "verdict": recorded.verdict}
            log_act(uow, actor, "event.replayed", recorded.purchase_id, details)

    recorded = take_event(state, event, note)
    purchase_id = recorded.purchase_id
    return Replayed(
        event.id,
        event.type,
        event.object_id,
        recorded.verdict,
        None if purchase_id is None else str(purchase_id),
        sum(moved),
        _PROBLEMS.get(recorded.verdict),
    )


def _moved(uow: UnitOfWork, event: Event, recorded: Recorded) -> list[int]:
    """The credits of the grants that were written just now."""
    c = uow.models.table(uow.models.Grant).c
    query = sa.select(c.credits).where(
        c.purchase_id == recorded.purchase_id, c.cause == event.id, c.created_at == uow.now
    )
    return list(uow.execute(query).scalars())


def _close_failure(uow: UnitOfWork, event: Event, recorded: Recorded) -> None:
    """What failed and turns out to be nobody's purchase isn't tried again for ever."""
    if recorded.purchase_id is not None or recorded.verdict is Verdict.ORPHAN:
        return
    events = uow.models.table(uow.models.WebhookEvent)
    uow.execute(
        sa.update(events)
        .where(events.c.stripe_event_id == event.id, events.c.verdict == Verdict.FAILED)
        .values(verdict=recorded.verdict, updated_at=uow.now)
    )
