"""What Stripe knows of our purchases and we don't: the surest sign that webhooks don't arrive."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import sqlalchemy as sa

from ..errors import GatewayKeyRefused
from ..facts import Verdict
from ..reading import reading
from ..stripe_objects import CheckoutSession, Dispute, Event, Refund
from ..webhooks.handlers import HANDLERS
from .findings import Finding, error, ok, skipped
from .patient import OVERDUE, Patient, ago

_EVENTS_SINCE = dt.timedelta(days=3)
_SESSIONS_SINCE = dt.timedelta(days=1)
_LOOK = "look at webhook_endpoint and webhook_answer first; this repairs what was missed"


def unrecorded_payments(patient: Patient) -> Iterator[Finding]:
    """Has Stripe been paid for something that we don't know of?"""
    now = patient.stripe_now
    page = patient.state.gateway.page_checkout_sessions(since=now - _SESSIONS_SINCE)
    paid = {
        session.id: session
        for session in page.items
        if session.is_paid
        and session.site == patient.state.settings.site
        and session.created is not None
        and session.created < now - OVERDUE
    }
    c = patient.state.models.table(patient.state.models.Purchase).c
    with reading(patient.state) as connection:
        known = connection.scalars(
            sa.select(c.stripe_checkout_session_id).where(
                c.stripe_checkout_session_id.in_(list(paid)), c.paid_at.is_not(None)
            )
        ).all()
    missed = [session for id, session in paid.items() if id not in known]
    if missed:
        yield error(
            f"{len(missed)} of the newest payments aren't recorded here: {missed[0].id}"
            f"{' …' if len(missed) > 1 else ''}",
            _LOOK,
            patient.command("reconcile --apply"),
        )
    else:
        yield ok(f"{len(paid)} payments from 5 minutes to a day ago, none of them missing here")


def undelivered_events(patient: Patient) -> Iterator[Finding]:
    """Are there events that Stripe couldn't deliver to us?"""
    now = patient.stripe_now
    query = {
        "delivery_success": "false",
        "types": sorted(HANDLERS),
        "created": {"gte": int((now - _EVENTS_SINCE).timestamp())},
        "limit": 100,
    }
    try:
        told = patient.state.gateway.ask("/v1/events", query).document.get("data")
    except GatewayKeyRefused as refused:
        yield skipped(f"not checked because the key lacks {refused.permission or 'validity'}")
        return
    events = [Event.from_payload(one) for one in told] if isinstance(told, list) else []
    late = [one for one in events if one.created and one.created < now - OVERDUE]
    missed = _about_us(patient, late)
    if missed:
        newest = missed[0]
        yield error(
            f"{len(missed)} of the newest events about this app didn't arrive, the last one "
            f"{ago(newest.created or now, now)} ago: {newest.type} ({newest.id})",
            _LOOK,
            patient.command("replay --since 3d"),
        )
    else:
        yield ok("no event about this app of the last 3 days waits to be delivered")


def _about_us(patient: Patient, events: list[Event]) -> list[Event]:
    """Those about our purchases that we haven't taken: another app's endpoint may have failed."""
    models = patient.state.models
    inbox, purchases = models.table(models.WebhookEvent).c, models.table(models.Purchase).c
    payments = {event.id: _payment_of(event) for event in events}
    with reading(patient.state) as connection:
        taken = connection.scalars(
            sa.select(inbox.stripe_event_id).where(
                inbox.stripe_event_id.in_(list(payments)), inbox.verdict != Verdict.FAILED
            )
        ).all()
        known = connection.scalars(
            sa.select(purchases.stripe_payment_intent_id).where(
                purchases.stripe_payment_intent_id.in_(list(payments.values()))
            )
        ).all()
    site = patient.state.settings.site
    return [
        event
        for event in events
        if event.id not in taken and (_site_of(event) == site or payments[event.id] in known)
    ]


def _site_of(event: Event) -> str | None:
    is_session = event.type.startswith("checkout.session.")
    return CheckoutSession.from_payload(event.data_object).site if is_session else None


def _payment_of(event: Event) -> str | None:
    if event.type.startswith("checkout.session."):
        return None
    kind = Dispute if "dispute" in event.type else Refund
    return kind.from_payload(event.data_object).payment_intent_id
