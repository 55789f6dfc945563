"""Take one delivery of Stripe's: verify, read, record and fulfill, in this order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from ..errors import (
    FulfillmentError,
    InvalidSignature,
    MalformedEvent,
    NotConfigured,
    ReceiverFailed,
    StripeCreditsError,
    WebhookError,
)
from ..facts import IGNORED, Recorded, Verdict
from ..fulfillment import settle
from ..logs import Log
from ..measurements import WebhookOutcome
from ..signals import webhook_received
from ..state import AppState, current_app_object
from ..strict_json import MalformedJSON, parse_json
from ..stripe_objects import Event
from ..unit_of_work import UnitOfWork, in_transaction
from .handlers import HANDLERS
from .inbox import inbox_row
from .signature import verify_signature

log: Log = Log(__name__)


def receive(state: AppState, body: bytes, signature: str | None) -> Verdict:
    """Verify a delivery and do what it says. Commits; safe to repeat, in any order.

    :param body: the raw bytes, as Stripe signed them.
    :param signature: the ``Stripe-Signature`` header.
    :raises NotConfigured: no usable signing secret, or no API key that tells the mode.
    :raises InvalidSignature, PayloadTooLarge, MalformedEvent: nothing is written.
    :raises FulfillmentError, DatabaseBusy: nothing is kept but, best effort, a note in the
        inbox; Stripe will deliver it again.
    :raises GatewayError: Stripe had to be asked what was refunded and couldn't be; likewise.
    """
    started = time.perf_counter()
    events: list[Event] = []
    outcome = WebhookOutcome.FAILED
    try:
        verdict = _receive(state, body, signature, events)
        outcome = _OUTCOMES.get(verdict, WebhookOutcome.HANDLED)
        return verdict
    except InvalidSignature:
        outcome = WebhookOutcome.INVALID_SIGNATURE if signature else WebhookOutcome.UNSIGNED
        raise
    except WebhookError:
        outcome = WebhookOutcome.MALFORMED
        raise
    except NotConfigured:
        outcome = WebhookOutcome.NOT_CONFIGURED
        raise
    finally:
        _measure(state, events, outcome, time.perf_counter() - started)


_OUTCOMES = {
    Verdict.IGNORED: WebhookOutcome.IGNORED,
    Verdict.KEPT: WebhookOutcome.KEPT,
    Verdict.REVIEW: WebhookOutcome.REVIEW,
    Verdict.ORPHAN: WebhookOutcome.ORPHAN,
}


def _measure(state: AppState, events: list[Event], outcome: WebhookOutcome, seconds: float) -> None:
    if events:
        (event,) = events
        # Whatever else an endpoint is sent: few enough to count each by itself.
        known = event.type if event.type in HANDLERS else "other"
        state.measurements.webhook_answered(known, event.created, outcome, seconds)
    else:
        state.measurements.webhook_answered(None, None, outcome, seconds)


def _receive(state: AppState, body: bytes, signature: str | None, events: list[Event]) -> Verdict:
    event = _verified_event(state, body, signature)
    events.append(event)
    return take_event(state, event).verdict


def take_event(
    state: AppState, event: Event, also: Callable[[UnitOfWork, Recorded], None] | None = None
) -> Recorded:
    """Do what an event says that is known to be Stripe's. Commits; safe to repeat, in any order.

    :param also: writes more into the same transaction, last.
    :raises MalformedEvent, FulfillmentError, DatabaseBusy, GatewayError: as :func:`receive`.
    """
    handler = HANDLERS.get(event.type)
    if handler is None:
        _tell_host(event)
        return IGNORED
    if not _is_about_us(state, event):
        return IGNORED

    def note(uow: UnitOfWork, recorded: Recorded) -> Mapping[str, Any] | None:
        if recorded.purchase_id is None and recorded.verdict is not Verdict.ORPHAN:
            return None
        return inbox_row(event, recorded.verdict, recorded.purchase_id, uow.now)

    try:
        record = handler(state, event)
        return settle(state, record, cause=event.id, note=note, finish=also)
    except MalformedEvent as error:
        _log_malformed(error)
        raise
    except StripeCreditsError as error:
        _note_failure(state, event, error)
        raise
    except Exception as error:
        # A bug of ours, e.g. a broken constraint: 503, so that Stripe delivers again.
        _note_failure(state, event, error)
        raise FulfillmentError(f"unexpected {type(error).__name__}") from error


def _verified_event(state: AppState, body: bytes, signature: str | None) -> Event:
    secrets = state.settings.require_webhook_secrets()
    try:
        verify_signature(body, signature, secrets, state.settings.webhook_tolerance_seconds)
    except InvalidSignature as error:
        log.warning("webhook_unsigned", "Webhook delivery failed: Invalid signature: %s", error)
        raise
    try:
        return Event.from_payload(parse_json(body))
    except (MalformedJSON, MalformedEvent) as error:
        _log_malformed(error)
        raise MalformedEvent(str(error)) from None


def _log_malformed(error: Exception) -> None:
    log.warning("webhook_malformed", "Webhook delivery failed: Malformed event: %s", error)


def _tell_host(event: Event) -> None:
    app = current_app_object()
    try:
        webhook_received.send(app, event=event.payload)
    except Exception as error:
        raise ReceiverFailed(f"a receiver of webhook_received raised {error!r}") from error


def _is_about_us(state: AppState, event: Event) -> bool:
    if event.account is not None:
        log.warning("account_ignored", "an event of a connected account was ignored: %s", event.id)
        return False
    if event.livemode != state.settings.require_livemode():
        log.warning(
            "other_mode_ignored",
            "an event of the other mode was ignored: %s has livemode %s",
            event.id,
            event.livemode,
        )
        return False
    return True


def _note_failure(state: AppState, event: Event, error: Exception) -> None:
    """Leave a trace for the operator, in a transaction of its own, if the database lets us."""
    log.error(
        "webhook_failed",
        "Webhook delivery failed: %s %s: %s",
        event.type,
        event.id,
        type(error).__name__,
        stripe_request_id=getattr(error, "request_id", None),
    )
    if isinstance(error.__cause__, sa.exc.TimeoutError):
        # Nobody has a connection to spare: asking again would wait, and keep others waiting.
        return
    try:
        in_transaction(
            state,
            lambda uow: uow.execute(
                uow.sql.upsert_event,
                inbox_row(event, Verdict.FAILED, None, uow.now, type(error).__name__),
            ),
        )
    except (StripeCreditsError, sa.exc.SQLAlchemyError):
        log.warning("failure_not_noted", "the failure of %s could not be noted either", event.id)
