"""The inbox: one row per event about a purchase of ours. Never proof that credits were granted."""

from __future__ import annotations

import uuid

from ..facts import Verdict
from ..stripe_objects import Event
from ..unit_of_work import UnitOfWork


def record_event(
    uow: UnitOfWork,
    event: Event,
    verdict: Verdict,
    purchase_id: uuid.UUID | None,
    error_class: str | None = None,
) -> None:
    """Insert the event or note another attempt at it. Safe to repeat."""
    uow.execute(
        uow.sql.upsert_event,
        {
            "stripe_event_id": event.id,
            "type": event.type,
            "object_id": event.object_id,
            "purchase_id": purchase_id,
            "api_version": event.api_version,
            "verdict": verdict,
            "attempts": 1,
            "error_class": error_class,
            "created": event.created,
            "received_at": uow.now,
            "updated_at": uow.now,
        },
    )
