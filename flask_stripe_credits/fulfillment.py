"""Fulfill: hand the credit manager what it is still owed. The only code that changes credits.

``target(facts) - posted`` is a comparison of states, not a sum of events: whatever was delivered
twice, late or in the wrong order, the next call ends in the same place.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from flask import Flask, current_app

from .delivery import deliver_in_transaction, tell_committed
from .errors import Refuse
from .facts import (
    PurchaseStatus,
    Reasons,
    Recorded,
    Reversals,
    Verdict,
    posts_nothing,
    results_of,
    target,
)
from .signals import purchase_expired, purchase_failed, purchase_flagged
from .snapshots import GrantSnapshot, PurchaseSnapshot
from .state import AppState
from .unit_of_work import UnitOfWork, in_transaction

logger = logging.getLogger(__name__)

_DECISION = ("review_decision", "reviewed_at", "reviewed_by", "review_note")

_TOLD_AFTER_COMMIT = {
    PurchaseStatus.FAILED: purchase_failed,
    PurchaseStatus.EXPIRED: purchase_expired,
}


def settle(
    state: AppState,
    record: Callable[[UnitOfWork], Recorded],
    *,
    cause: str,
    finish: Callable[[UnitOfWork, Recorded], None] | None = None,
) -> Recorded:
    """Record a fact and fulfill its purchase in one transaction. Commits; safe to repeat.

    The one path of every entrance: webhook, return page, command line and reconciliation.

    :param record: recognises and locks; may be called again when the transaction is retried.
    :param cause: what led to this, for the grant and the audit log: an event's id, a run's name.
    :param finish: writes what belongs into the same transaction, last.
    :raises NoReceiver, ReceiverFailed: credits are due and can't be handed over; nothing is kept.
    :raises DatabaseBusy: the database gave up; nothing is kept.
    """

    def work(uow: UnitOfWork, refusal: str | None = None) -> Recorded:
        recorded = record(uow)
        if recorded.purchase is not None:
            recorded = fulfill(uow, recorded, cause=cause, refusal=refusal)
        elif recorded.flag is not None:
            _flag(uow, recorded, cause)
        if finish is not None:
            finish(uow, recorded)
        return recorded

    try:
        return in_transaction(state, work)
    except Refuse as refused:
        # Everything of the first try is gone, with the receivers' writes; keep only the facts.
        reason = f"refused by a receiver: {refused.reason}"
        return in_transaction(state, lambda uow: work(uow, reason))


def fulfill(
    uow: UnitOfWork, recorded: Recorded, *, cause: str, refusal: str | None = None
) -> Recorded:
    """Post the difference between what is due and what is posted, and write facts and results.

    Appends at most one grant and calls the receivers, inside the caller's transaction. The
    purchase must be locked.

    :param refusal: a receiver refused this purchase: post nothing and put it in review.
    """
    before = cast(Mapping[str, Any], recorded.purchase)
    row = {**before, **recorded.changes}
    sums = uow.execute(
        uow.sql.read_sums,
        {
            "purchase_id": row["id"],
            "payment_intent_id": row["stripe_payment_intent_id"],
            "currency": row["currency"],
        },
    ).one()
    reversals = Reversals(sums.refunded, sums.disputed)
    due = 0 if posts_nothing(row) else _target(uow, row, reversals) - sums.posted
    if due != 0 and refusal is not None:
        # What an operator had accepted before has to be decided anew.
        row |= dict.fromkeys(_DECISION) | {"review_reason": refusal}
        recorded, due = replace(recorded, verdict=Verdict.REVIEW, flag=refusal), 0
    posted = sums.posted + due
    if due > 0 and row["completed_at"] is None:
        row["completed_at"] = uow.now
    row |= results_of(row, reversals, posted)
    if due != 0:
        reason = _reason(recorded.reasons, reversals, due, sums.sequence)
        _grant(uow, row, due, sums.sequence + 1, reason, cause)
    _write(uow, before, row)
    if row["status"] != before["status"]:
        _tell_status(uow, before, row, due, cause, recorded.flag)
    in_review = row["status"] == PurchaseStatus.REVIEW
    return replace(recorded, verdict=Verdict.REVIEW) if in_review else recorded


def _target(uow: UnitOfWork, row: Mapping[str, Any], reversals: Reversals) -> int:
    return target(row, reversals, allow_free=uow.state.settings.allow_free)


def _reason(reasons: Reasons, reversals: Reversals, due: int, sequence: int) -> str:
    if sequence == 0:
        return "purchase"
    if due > 0:
        return reasons.given
    # A session that makes its payment known brings what was told of the payment before.
    return reasons.taken or ("dispute" if reversals.disputed else "refund")


def _write(uow: UnitOfWork, before: Mapping[str, Any], row: dict[str, Any]) -> None:
    changes = {name: value for name, value in row.items() if value != before[name]}
    if changes:
        changes["updated_at"] = row["updated_at"] = uow.now
        uow.execute(uow.sql.update_purchase, {"purchase_key": row["id"], **changes})


def _grant(
    uow: UnitOfWork,
    row: Mapping[str, Any],
    credits: int,
    sequence: int,
    reason: str,
    cause: str,
) -> None:
    grant = GrantSnapshot(
        # The same at every try: receivers elsewhere know a repeated grant by it.
        id=str(uuid.uuid5(row["id"], str(sequence))),
        purchase_id=str(row["id"]),
        user_id=row["user_id"],
        sequence=sequence,
        credits=credits,
        reason=reason,
        cause=cause,
        created_at=uow.now,
        purchase=PurchaseSnapshot.of(row),
    )
    uow.execute(
        uow.sql.insert_grant,
        {
            "id": uuid.UUID(grant.id),
            "purchase_id": row["id"],
            "sequence": sequence,
            "user_id": grant.user_id,
            "credits": credits,
            "reason": reason,
            "cause": cause,
            "created_at": uow.now,
            "delivered_at": uow.now,
            "attempts": 1,
        },
    )
    app = _app()
    deliver_in_transaction(uow, app, grant)
    uow.after_commit(lambda: tell_committed(app, grant))


def _tell_status(
    uow: UnitOfWork,
    before: Mapping[str, Any],
    row: Mapping[str, Any],
    due: int,
    cause: str,
    flag: str | None,
) -> None:
    """Log a change of status that no grant row explains, and tell the host after the commit."""
    if due == 0:
        details = {"from": before["status"], "to": row["status"]}
        if flag is not None:
            details["reason"] = flag
        _audit(uow, row["id"], f"purchase.{row['status']}", cause, details)
    app, purchase = _app(), PurchaseSnapshot.of(row)
    if row["status"] == PurchaseStatus.REVIEW:
        logger.error("purchase %s needs a review: %s", purchase.id, row["review_reason"])
        uow.after_commit(
            lambda: purchase_flagged.send(app, purchase=purchase, reason=row["review_reason"])
        )
    told = _TOLD_AFTER_COMMIT.get(row["status"])
    if told is not None:
        uow.after_commit(lambda: told.send(app, purchase=purchase))


def _flag(uow: UnitOfWork, recorded: Recorded, cause: str) -> None:
    """Something that names a purchase of ours but must not touch it. Told once for each cause."""
    known = {"event_id": cause, "verdict": recorded.verdict}
    if uow.execute(uow.sql.find_event, known).first() is not None:
        return
    app, reason = _app(), recorded.flag
    row = None
    if recorded.verdict is Verdict.REVIEW and recorded.purchase_id is not None:
        found = uow.execute(uow.sql.lock_purchase, {"purchase_id": recorded.purchase_id})
        row = found.mappings().one()
    purchase = None if row is None else PurchaseSnapshot.of(row)
    logger.error("%s (%s, purchase %s)", reason, cause, recorded.purchase_id)
    _audit(
        uow,
        recorded.purchase_id,
        f"event.{recorded.verdict}",
        cause,
        {"reason": reason},
    )
    uow.after_commit(lambda: purchase_flagged.send(app, purchase=purchase, reason=reason))


def _audit(
    uow: UnitOfWork,
    purchase_id: uuid.UUID | None,
    action: str,
    cause: str,
    details: Mapping[str, Any],
) -> None:
    uow.execute(
        uow.sql.insert_audit,
        {
            "created_at": uow.now,
            "actor": "stripe",
            "action": action,
            "purchase_id": purchase_id,
            "details": {**details, "cause": cause},
        },
    )


def _app() -> Flask:
    return cast(Any, current_app)._get_current_object()  # type: ignore[no-any-return]
