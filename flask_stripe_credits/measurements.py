"""What the floors tell of their work: to nobody, until :mod:`.monitoring` counts it."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum


class StripeOutcome(StrEnum):
    """What became of one request to Stripe, counted once however often it was tried."""

    OK = "ok"
    MISSING = "missing"
    REJECTED = "rejected"
    KEY_REFUSED = "key_refused"
    RATE_LIMITED = "rate_limited"
    BROKEN = "broken"
    UNREACHABLE = "unreachable"


class WebhookOutcome(StrEnum):
    """What a delivery was answered: 200 for the first group, and Stripe tries the second again."""

    HANDLED = "handled"
    IGNORED = "ignored"
    KEPT = "kept"
    REVIEW = "review"
    ORPHAN = "orphan"

    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"
    INVALID_SIGNATURE = "invalid_signature"
    MALFORMED = "malformed"
    # Nobody signed it at all: Stripe has nothing to do with it.
    UNSIGNED = "unsigned"


class DatabaseTrouble(StrEnum):
    """Why a transaction was given up."""

    TIMEOUT = "timeout"
    BUSY = "busy"
    DOWN = "down"
    NO_TABLES = "no_tables"


class FulfillmentFailure(StrEnum):
    """Why credits that may be due could not be granted."""

    RECEIVER_FAILED = "receiver_failed"
    NO_RECEIVER = "no_receiver"
    DATABASE = "database"
    BUG = "bug"


class Measurements:
    """Takes what happens and does nothing with it. Every method is cheap and never raises."""

    def stripe_called(self, operation: str, outcome: StripeOutcome, seconds: float) -> None:
        """One request to Stripe ended.

        :param operation: method and path, ``*`` for what differs: ``GET /v1/refunds/*``.
        :param seconds: with all tries and the pauses between them.
        """

    def webhook_answered(
        self,
        event_type: str | None,
        created: dt.datetime | None,
        outcome: WebhookOutcome,
        seconds: float,
    ) -> None:
        """One delivery was answered.

        :param event_type: one that we handle, ``other``, or None while it isn't known.
        :param created: when Stripe made the event.
        """

    def database_failed(self, trouble: DatabaseTrouble) -> None:
        """A transaction was given up."""

    def database_retried(self) -> None:
        """A transaction is tried again."""

    def fulfillment_failed(self, failure: FulfillmentFailure) -> None:
        """Credits may be due, and nothing was kept."""

    def delivery_attempted(self, delivered: bool) -> None:
        """A grant of the outbox was handed over, or wasn't taken."""

    def receivers_called(self, seconds: float) -> None:
        """The host's receivers took a grant."""
