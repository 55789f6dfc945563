"""Fulfill: hand the credit manager what it is still owed. The only code that changes credits.

``target(facts) - posted`` is a comparison of states, not a sum of events: whatever was delivered
twice, late or in the wrong order, the next call ends in the same place.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from flask import Flask, Response, after_this_request, has_request_context

from . import outbox
from .config import Delivery
from .delivery import deliver_in_transaction, tell_committed
from .errors import (
    DatabaseBusy,
    FulfillmentError,
    NoReceiver,
    ReceiverFailed,
    Refuse,
    StripeCreditsError,
    TablesOutOfDate,
)
from .facts import (
    IGNORED,
    PurchaseStatus,
    Reasons,
    Recorded,
    Reversals,
    Row,
    Verdict,
    lock_facts,
    posts_nothing,
    results_of,
    reversals_of,
    target,
)
from .logs import Log
from .measurements import FulfillmentFailure
from .notices import tell_flag, tell_status
from .snapshots import GrantSnapshot, PurchaseSnapshot
from .state import AppState, current_app_object
from .unit_of_work import UnitOfWork, in_transaction

log: Log = Log(__name__)

# What is executed with ``upsert_event``, by what became of a fact; None for no row in the inbox.
Note = Callable[[UnitOfWork, Recorded], Mapping[str, Any] | None]

_DECISION = ("review_decision", "reviewed_at", "reviewed_by", "review_note")


def _no_row(uow: UnitOfWork, recorded: Recorded) -> None:
    """What led to this isn't an event."""


def settle(
    state: AppState,
    record: Callable[[UnitOfWork], Recorded],
    *,
    cause: str,
    note: Note = _no_row,
    finish: Callable[[UnitOfWork, Recorded], None] | None = None,
) -> Recorded:
    """Record a fact and fulfill its purchase in one transaction. Commits; safe to repeat.

    The one path of every entrance: webhook, return page, command line and reconciliation.

    :param record: recognises and locks; may be called again when the transaction is retried.
    :param cause: what led to this, for the grant and the audit log: an event's id, a run's name.
    :param note: makes the inbox's row.
    :param finish: writes what belongs into the same transaction, last.
    :raises NoReceiver, ReceiverFailed: credits are due and can't be handed over; nothing is kept.
    :raises DatabaseBusy: the database gave up; nothing is kept.
    """
    seen: list[Row] = []

    def work(uow: UnitOfWork, refusal: str | None) -> Recorded:
        recorded = record(uow)
        if recorded.purchase is not None:
            seen[:] = [recorded.purchase]
            recorded = fulfill(uow, recorded, cause=cause, note=note, refusal=refusal)
        else:
            if recorded.flag is not None:
                tell_flag(uow, recorded, cause)
            _note(uow, note(uow, recorded))
        if finish is not None:
            finish(uow, recorded)
        return recorded

    try:
        return _in_transaction_even_refused(state, work)
    except Exception as error:
        _tell_failure(state, error, seen[0] if seen else {})
        raise


def _in_transaction_even_refused(
    state: AppState, work: Callable[[UnitOfWork, str | None], Recorded]
) -> Recorded:
    try:
        return in_transaction(state, lambda uow: work(uow, None))
    except Refuse as refused:
        # Everything of the first try is gone, with the receivers' writes; keep only the facts.
        reason = f"refused by a receiver: {refused.reason}"
        return in_transaction(state, lambda uow: work(uow, reason))


def _tell_failure(state: AppState, error: Exception, purchase: Row) -> None:
    ours = isinstance(error, StripeCreditsError)
    if ours and not isinstance(error, (FulfillmentError, DatabaseBusy, TablesOutOfDate)):
        # Somebody was told that something can't be; no credits were due.
        return
    state.measurements.fulfillment_failed(_kind_of_failure(error))
    log.error(
        "fulfillment_failed",
        "Failed to add credits: %s",
        _why(error),
        purchase_id=purchase.get("id"),
        user_id=purchase.get("user_id"),
    )


def _kind_of_failure(error: Exception) -> FulfillmentFailure:
    if isinstance(error, NoReceiver):
        return FulfillmentFailure.NO_RECEIVER
    if isinstance(error, FulfillmentError):
        return FulfillmentFailure.RECEIVER_FAILED
    database = isinstance(error, (DatabaseBusy, TablesOutOfDate))
    return FulfillmentFailure.DATABASE if database else FulfillmentFailure.BUG


def _why(error: Exception) -> str:
    """Without the text of anybody else's exception, which may hold a password."""
    if isinstance(error, DatabaseBusy):
        return "Database connection error"
    if isinstance(error, ReceiverFailed):
        return f"A receiver failed with {outbox.described(error)}"
    return str(error) if isinstance(error, StripeCreditsError) else type(error).__name__


def fulfill(
    uow: UnitOfWork,
    recorded: Recorded,
    *,
    cause: str,
    note: Note = _no_row,
    refusal: str | None = None,
) -> Recorded:
    """Post the difference between what is due and what is posted, and write facts and results.

    Appends at most one grant and calls the receivers, inside the caller's transaction. The
    purchase must be locked, and read since.

    :param note: makes the inbox's row, which is written with the purchase.
    :param refusal: a receiver refused this purchase: post nothing and put it in review.
    """
    before = dict(cast(Row, recorded.purchase))
    row = {**before, **recorded.changes}
    reversals = reversals_of(row)
    due = 0 if posts_nothing(row) else _target(uow, row, reversals) - row["posted"]
    if due != 0 and refusal is not None:
        # What an operator had accepted before has to be decided anew.
        row |= dict.fromkeys(_DECISION) | {"review_reason": refusal}
        recorded, due = replace(recorded, verdict=Verdict.REVIEW, flag=refusal), 0
    posted = row["posted"] + due
    # Not only where more is due now: a receiver may have committed a grant behind our back.
    if posted > 0 and row["completed_at"] is None:
        row["completed_at"] = uow.now
    row |= results_of(row, reversals, posted)
    delivered = None
    if due != 0:
        reason = _reason(recorded.reasons, reversals, due, row["sequence"])
        delivered = _grant(uow, row, due, row["sequence"] + 1, reason, cause)
    if row["status"] == PurchaseStatus.REVIEW:
        recorded = replace(recorded, verdict=Verdict.REVIEW)
    _write(uow, before, row, delivered, note(uow, recorded))
    if row["status"] != before["status"]:
        tell_status(uow, before, row, due, cause, recorded)
    return recorded


def _target(uow: UnitOfWork, row: Mapping[str, Any], reversals: Reversals) -> int:
    return target(row, reversals, allow_free=uow.state.settings.allow_free)


def _reason(reasons: Reasons, reversals: Reversals, due: int, sequence: int) -> str:
    if sequence == 0:
        return "purchase"
    if due > 0:
        return reasons.given
    # A session that makes its payment known brings what was told of the payment before.
    return reasons.taken or ("dispute" if reversals.disputed else "refund")


def _write(
    uow: UnitOfWork,
    before: Mapping[str, Any],
    row: Mapping[str, Any],
    delivered: uuid.UUID | None,
    told: Mapping[str, Any] | None,
) -> None:
    """Write what changed, and the inbox's row.

    :param delivered: the grant that receivers were handed in this transaction.
    """
    changes = {
        name: value for name, value in row.items() if name not in before or value != before[name]
    }
    update = {"purchase_key": row["id"], **changes, "updated_at": uow.now}
    if delivered is not None:
        _write_delivered(uow, {**update, "grant_key": delivered}, told)
        return
    if changes:
        uow.execute(uow.sql.update_purchase, update)
    _note(uow, told)


def _write_delivered(
    uow: UnitOfWork, update: Mapping[str, Any], told: Mapping[str, Any] | None
) -> None:
    """Write where the grant still is: a receiver may have rolled us back behind SQLAlchemy's back.

    :raises ReceiverFailed: one of them has.
    """
    both = uow.sql.update_purchase_of_grant_and_event
    if told is None or both is None:
        written = uow.execute(uow.sql.update_purchase_of_grant, update)
    else:
        written, told = uow.execute(both, {**update, **told}), None
    if written.rowcount != 1:
        raise ReceiverFailed("a receiver rolled back the transaction that it was called in")
    _note(uow, told)


def _note(uow: UnitOfWork, told: Mapping[str, Any] | None) -> None:
    if told is not None:
        uow.execute(uow.sql.upsert_event, told)


def _grant(
    uow: UnitOfWork,
    row: Mapping[str, Any],
    credits: int,
    sequence: int,
    reason: str,
    cause: str,
) -> uuid.UUID | None:
    """Append a grant and hand it over, or have it handed over later.

    :returns: its id if receivers were called.
    """
    # The same at every try: receivers elsewhere know a repeated grant by it.
    grant_id = uuid.uuid5(row["id"], str(sequence))
    grant = GrantSnapshot(
        id=str(grant_id),
        purchase_id=str(row["id"]),
        user_id=row["user_id"],
        sequence=sequence,
        credits=credits,
        reason=reason,
        cause=cause,
        created_at=uow.now,
        purchase=PurchaseSnapshot.of(row),
    )
    app, later = current_app_object(), uow.state.settings.delivery is Delivery.OUTBOX
    if sequence > 1 and not later:
        outbox.hand_over_earlier(uow, app, row)
    uow.execute(
        uow.sql.insert_grant,
        {
            "id": grant_id,
            "purchase_id": row["id"],
            "sequence": sequence,
            "user_id": grant.user_id,
            "package_code": row["package_code"],
            "credits": credits,
            "reason": reason,
            "cause": cause,
            "created_at": uow.now,
            **(
                {"attempts": 0, "next_attempt_at": uow.now}
                if later
                else {"attempts": 1, "delivered_at": uow.now}
            ),
        },
    )
    if not later:
        deliver_in_transaction(uow, app, grant)
    uow.after_commit(lambda: tell_committed(app, grant))
    if not later:
        return grant_id
    uow.after_commit(lambda: _deliver_after_answer(app, uow.state, row["id"]))
    return None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of handing one grant over.

    :ivar error: why it failed, or :class:`.errors.Refuse`; None when it was delivered.
    :ivar next_attempt_at: when it is tried again, if it failed.
    """

    grant: GrantSnapshot
    error: FulfillmentError | Refuse | None = None
    next_attempt_at: dt.datetime | None = None


def deliveries(state: AppState, purchase_id: uuid.UUID | None = None) -> Iterator[Attempt]:
    """Hand over, one by one, every grant that is due at the first step. Commits at every step.

    Stopping between two steps leaves nothing in hand. Any number of processes may do this.

    :param purchase_id: only grants of this purchase.
    :raises DatabaseBusy: the database gave up; what was in hand is tried again in a minute.
    """
    due_at = None
    while (claim := outbox.claim_next(state, due_at, purchase_id)) is not None:
        due_at = claim.due_at
        try:
            outbox.hand_over(state, current_app_object(), claim)
        except Refuse as refused:
            _settle_refusal(state, claim, refused)
            yield Attempt(claim.grant, refused)
        except FulfillmentError as error:
            state.measurements.delivery_attempted(False)
            next_attempt_at = outbox.mark_failed(state, claim, error)
            log.exception(
                "delivery_failed",
                "grant %s of purchase %s was not delivered at attempt %d; the next is at %s",
                claim.grant.id,
                claim.grant.purchase_id,
                claim.attempt,
                next_attempt_at.isoformat(timespec="seconds"),
                purchase_id=claim.grant.purchase_id,
                user_id=claim.grant.user_id,
            )
            yield Attempt(claim.grant, error, next_attempt_at)
        else:
            state.measurements.delivery_attempted(True)
            yield Attempt(claim.grant)


def deliver_due(state: AppState, purchase_id: uuid.UUID | None = None) -> int:
    """Hand over every grant that is due; return how many were taken. See :func:`deliveries`."""
    return sum(attempt.error is None for attempt in deliveries(state, purchase_id))


def _settle_refusal(state: AppState, claim: outbox.Claim, refused: Refuse) -> None:
    """Put the purchase in review. The grant stays: accepting tries it again, dismissing doesn't."""
    reason = f"refused by a receiver: {refused.reason}"
    purchase_id = uuid.UUID(claim.grant.purchase_id)

    def record(uow: UnitOfWork) -> Recorded:
        purchase = lock_facts(uow, purchase_id)
        if not outbox.give_back(uow, claim, reason):
            # Somebody else has it by now, and a verdict of their own.
            return IGNORED
        changes = dict.fromkeys(_DECISION) | {"review_reason": reason}
        return Recorded(Verdict.REVIEW, purchase, changes, flag=reason, purchase_id=purchase_id)

    settle(state, record, cause=f"delivery of grant {claim.grant.id}")


def _deliver_after_answer(app: Flask, state: AppState, purchase_id: uuid.UUID) -> None:
    """Have the request try it at once, when its answer is on the way: whoever waits isn't kept."""
    if not has_request_context():
        return

    def deliver() -> None:
        try:
            with app.app_context():
                deliver_due(state, purchase_id)
        except Exception:
            log.exception(
                "delivery_postponed",
                "the grants of purchase %s are left to the next run",
                purchase_id,
                purchase_id=purchase_id,
            )

    @after_this_request
    def _when_closed(response: Response) -> Response:
        response.call_on_close(deliver)
        return response
