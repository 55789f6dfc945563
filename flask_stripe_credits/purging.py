"""Delete what nobody needs any more of the inbox: old events that were simply handled.

A row of the inbox is never proof that credits were granted, so deleting one changes no money:
when Stripe delivers such an event again, the facts say that nothing is due. What somebody has to
decide on stays, and so does what somebody decided, or it would be asked again.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from .facts import PurchaseStatus, Verdict
from .models import Models
from .notices import log_act
from .reading import reading
from .review_queue import flagged_by_itself
from .state import AppState
from .tables import LONGEST_USER_ID
from .unit_of_work import UnitOfWork, in_transaction

# Stripe delivers again, and lists, what is up to 30 days old; reconciliation reads 35 days.
YOUNGEST = dt.timedelta(days=35)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Old:
    """What the inbox holds from before a moment.

    :ivar spent: how many events nobody needs any more.
    :ivar kept: how many stay whatever their age.
    """

    spent: int
    kept: int


def count_old(state: AppState, before: dt.datetime) -> Old:
    """Count the events that came before a moment. Only reads.

    :raises DatabaseBusy, TablesOutOfDate: the database can't be read.
    """
    events = state.models.table(state.models.WebhookEvent)
    count = sa.select(sa.func.count()).select_from(events)
    with reading(state) as connection:
        old = connection.scalar(count.where(events.c.received_at < before)) or 0
        spent = connection.scalar(count.where(*_is_spent(state.models, before))) or 0
    return Old(spent, old - spent)


def purge(state: AppState, before: dt.datetime, *, actor: str) -> Iterator[int]:
    """Delete the events that nobody needs any more and that came before a moment.

    Yields how many were deleted, batch by batch, each committed in a short transaction of its
    own; it may be stopped or killed after any, and runs beside webhooks. Between two batches it
    rests as long as one took, so that on SQLite, where one writes at a time, others get theirs.
    Leaves grants, facts and the audit log alone, into which it writes that it was asked to.

    :param before: aware, at least :data:`YOUNGEST` ago.
    :param actor: who asks for it, 1 to 255 characters.
    :raises ValueError: for what ``before`` or ``actor`` may not be.
    :raises DatabaseBusy, TablesOutOfDate: the database gave up; what was yielded stays deleted.
    """
    if dt.datetime.now(dt.UTC) - before < YOUNGEST:
        raise ValueError(f"before must be at least {YOUNGEST.days} days ago")
    if not 1 <= len(actor) <= LONGEST_USER_ID:
        raise ValueError(f"actor must have 1 to {LONGEST_USER_ID} characters")
    in_transaction(state, lambda uow: _note(uow, before, actor))
    after: tuple[dt.datetime, str] | None = None
    while page := _page(state, before, after):
        began = time.monotonic()
        yield in_transaction(state, partial(_delete, before=before, page=page))
        after = page[-1]
        time.sleep(time.monotonic() - began)


def _note(uow: UnitOfWork, before: dt.datetime, actor: str) -> None:
    log_act(uow, actor, "inbox.purge", None, {"before": before.isoformat()})


def _page(
    state: AppState, before: dt.datetime, after: tuple[dt.datetime, str] | None
) -> Sequence[tuple[dt.datetime, str]]:
    """Return the next old events that were handled, whether they are spent or not."""
    c = state.models.table(state.models.WebhookEvent).c
    query = sa.select(c.received_at, c.stripe_event_id).where(
        c.verdict == Verdict.HANDLED, c.received_at < before
    )
    if after is not None:
        at, id = after
        later_id = sa.and_(c.received_at == at, c.stripe_event_id > id)
        query = query.where(c.received_at >= at, sa.or_(c.received_at > at, later_id))
    with reading(state) as connection:
        page = connection.execute(query.order_by(c.received_at, c.stripe_event_id).limit(BATCH))
        return [(row.received_at, row.stripe_event_id) for row in page]


def _delete(
    uow: UnitOfWork, *, before: dt.datetime, page: Sequence[tuple[dt.datetime, str]]
) -> int:
    events = uow.models.table(uow.models.WebhookEvent)
    c = events.c
    deleted = uow.execute(
        sa.delete(events).where(
            c.stripe_event_id.in_([id for _, id in page]),
            # The same said in the index's words, for a database that has counted nothing yet.
            c.received_at.between(page[0][0], page[-1][0]),
            # Asked again: a delivery that we waited for may have made something else of it.
            *_is_spent(uow.models, before),
        )
    )
    return deleted.rowcount


def _is_spent(models: Models, before: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Whether nobody needs an event any more: it was handled, long ago, and nobody was asked."""
    events, purchases = models.table(models.WebhookEvent), models.table(models.Purchase)
    e, p = events.c, purchases.c

    def of_purchase(*conditions: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return sa.exists().where(p.id == e.purchase_id, *conditions).correlate(events)

    in_review = of_purchase(p.status == PurchaseStatus.REVIEW)
    of_another_session = sa.and_(
        e.type.startswith("checkout.session."),
        of_purchase(p.stripe_checkout_session_id.is_distinct_from(e.object_id)),
    )
    return (
        e.verdict == Verdict.HANDLED,
        e.received_at < before,
        # Delivered again lately, it may be once more.
        e.updated_at < before,
        ~in_review,
        ~of_another_session,
        ~flagged_by_itself(models),
    )
