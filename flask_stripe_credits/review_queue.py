"""What waits for an operator: purchases in review, events in review, and orphans."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .facts import PurchaseStatus, Verdict
from .models import Models
from .reading import reading
from .state import AppState
from .stripe_objects import is_stripe_id, parse_uuid

_PURCHASE, _EVENT, _ORPHAN = "purchase", "event", "orphan"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing to decide on.

    :ivar kind: ``purchase``, ``event`` (about something that isn't its purchase's) or ``orphan``
        (an event whose purchase is missing).
    :ivar id: what to give to the command: a purchase's id or an event's.
    :ivar object_id: the session, refund, dispute or charge at Stripe.
    :ivar since: when it was last touched.
    """

    kind: str
    id: str
    purchase_id: str | None
    object_id: str | None
    reason: str | None
    since: dt.datetime


def waiting(state: AppState) -> Iterator[Waiting]:
    """Yield everything that waits, purchases first, oldest first."""
    for kind, query in _queries(state.models).items():
        yield from _read(state, kind, query)


def waiting_about(state: AppState, target: str) -> list[Waiting]:
    """Return what waits under this id, or about this purchase.

    :param target: a purchase's id or an event's.
    """
    purchase_id = parse_uuid(target)
    if purchase_id is None and not is_stripe_id(target):
        return []
    models = state.models
    purchases, events = models.table(models.Purchase).c, models.table(models.WebhookEvent).c
    about = events.stripe_event_id == target
    if purchase_id is not None:
        about = events.purchase_id == purchase_id
    found: list[Waiting] = []
    for kind, query in _queries(models).items():
        if kind is not _PURCHASE:
            found += _read(state, kind, query.where(about))
        elif purchase_id is not None:
            found += _read(state, kind, query.where(purchases.id == purchase_id))
    return found


def _read(state: AppState, kind: str, query: sa.Select[Any]) -> Iterator[Waiting]:
    with reading(state) as connection:
        rows = connection.execute(query.order_by(sa.literal_column("since"))).all()
    for row in rows:
        purchase_id = None if row.purchase_id is None else str(row.purchase_id)
        yield Waiting(kind, str(row.id), purchase_id, row.object_id, row.reason, row.since)


def count_waiting(models: Models, connection: sa.Connection) -> dict[str, int]:
    """Return how many of each kind wait."""
    counted = sa.func.count()
    return {
        kind: connection.execute(sa.select(counted).select_from(query.subquery())).scalar_one()
        for kind, query in _queries(models).items()
    }


def _queries(models: Models) -> dict[str, sa.Select[Any]]:
    return {_PURCHASE: _purchases(models), _EVENT: _events(models), _ORPHAN: _orphans(models)}


def _purchases(models: Models) -> sa.Select[Any]:
    c = models.table(models.Purchase).c
    return sa.select(
        c.id,
        c.id.label("purchase_id"),
        c.stripe_checkout_session_id.label("object_id"),
        c.review_reason.label("reason"),
        c.updated_at.label("since"),
    ).where(c.status == PurchaseStatus.REVIEW)


def _events(models: Models) -> sa.Select[Any]:
    events, log = models.table(models.WebhookEvent).c, models.table(models.AuditLog).c
    reason = (
        sa.select(log.details["reason"].as_string())
        .where(_flag_of(models))
        .correlate(models.table(models.WebhookEvent))
        .limit(1)
        .scalar_subquery()
    )
    return _told(events, reason).where(events.verdict == Verdict.REVIEW, flagged_by_itself(models))


def flagged_by_itself(models: Models) -> sa.ColumnElement[bool]:
    """Whether it is an event that was flagged, and not its purchase that was put in review."""
    return sa.exists().where(_flag_of(models)).correlate(models.table(models.WebhookEvent))


def _flag_of(models: Models) -> sa.ColumnElement[bool]:
    """The line in the audit log that says why an event was flagged."""
    events, log = models.table(models.WebhookEvent).c, models.table(models.AuditLog).c
    return sa.and_(
        log.purchase_id == events.purchase_id,
        log.action == f"event.{Verdict.REVIEW}",
        log.details["cause"].as_string() == events.stripe_event_id,
    )


def _orphans(models: Models) -> sa.Select[Any]:
    events, purchases = models.table(models.WebhookEvent).c, models.table(models.Purchase).c
    rebuilt = sa.exists().where(purchases.id == events.purchase_id)
    missing = sa.literal("the purchase is missing")
    return _told(events, missing).where(events.verdict == Verdict.ORPHAN, ~rebuilt)


def _told(events: Any, reason: sa.ColumnElement[str]) -> sa.Select[Any]:
    return sa.select(
        events.stripe_event_id.label("id"),
        events.purchase_id,
        events.object_id,
        reason.label("reason"),
        events.received_at.label("since"),
    )
