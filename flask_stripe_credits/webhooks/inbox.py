"""The inbox: one row per event about a purchase of ours. Never proof that credits were granted."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from ..facts import Verdict
from ..stripe_objects import Event


def inbox_row(
    event: Event,
    verdict: Verdict,
    purchase_id: uuid.UUID | None,
    now: dt.datetime,
    error_class: str | None = None,
) -> dict[str, Any]:
    """The row of an event as it is now: what ``upsert_event`` is executed with."""
    return {
        "event_stripe_event_id": event.id,
        "event_type": event.type,
        "event_object_id": event.object_id,
        "event_purchase_id": purchase_id,
        "event_api_version": event.api_version,
        "event_verdict": verdict,
        "event_error_class": error_class,
        "event_created": event.created,
        "event_received_at": now,
        "event_updated_at": now,
    }
