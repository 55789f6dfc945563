"""What is written down and told of a purchase, beside its grants: the audit log, and news."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from .facts import PurchaseStatus, Recorded, Verdict, lock_purchase
from .logs import Log
from .signals import purchase_expired, purchase_failed, purchase_flagged
from .snapshots import PurchaseSnapshot
from .state import current_app_object
from .unit_of_work import UnitOfWork

log: Log = Log(__name__)

_TOLD_AFTER_COMMIT = {
    PurchaseStatus.FAILED: purchase_failed,
    PurchaseStatus.EXPIRED: purchase_expired,
}


def tell_status(
    uow: UnitOfWork,
    before: Mapping[str, Any],
    row: Mapping[str, Any],
    due: int,
    cause: str,
    recorded: Recorded,
) -> None:
    """Log a change of status that no grant row explains, and tell the host after the commit."""
    if due == 0:
        details = {"from": before["status"], "to": row["status"]}
        if recorded.flag is not None:
            details["reason"] = recorded.flag
        _audit(uow, recorded, f"purchase.{row['status']}", cause, details)
    if row["status"] == PurchaseStatus.REVIEW:
        _flag(uow, PurchaseSnapshot.of(row))
    told = _TOLD_AFTER_COMMIT.get(row["status"])
    if told is not None:
        app, purchase = current_app_object(), PurchaseSnapshot.of(row)
        uow.after_commit(lambda: told.send(app, purchase=purchase))


def _flag(uow: UnitOfWork, purchase: PurchaseSnapshot) -> None:
    app, reason = current_app_object(), purchase.review_reason
    log.error(
        "purchase_flagged",
        "purchase %s needs a review: %s",
        purchase.id,
        reason,
        purchase_id=purchase.id,
        user_id=purchase.user_id,
    )
    uow.after_commit(lambda: purchase_flagged.send(app, purchase=purchase, reason=reason))


def tell_flag(uow: UnitOfWork, recorded: Recorded, cause: str) -> None:
    """Something that names a purchase of ours but must not touch it. Told once for each cause."""
    known = {"event_id": cause, "verdict": recorded.verdict}
    if uow.execute(uow.sql.find_event, known).first() is not None:
        return
    app, reason = current_app_object(), recorded.flag
    row = None
    if recorded.verdict is Verdict.REVIEW and recorded.purchase_id is not None:
        row = lock_purchase(uow, recorded.purchase_id)
    purchase = None if row is None else PurchaseSnapshot.of(row)
    # Who found the purchase missing has said so already.
    if recorded.verdict is not Verdict.ORPHAN:
        log.error(
            "event_flagged",
            "%s (%s, purchase %s)",
            reason,
            cause,
            recorded.purchase_id,
            purchase_id=recorded.purchase_id,
        )
    _audit(uow, recorded, f"event.{recorded.verdict}", cause, {"reason": reason})
    uow.after_commit(lambda: purchase_flagged.send(app, purchase=purchase, reason=reason))


def log_act(
    uow: UnitOfWork,
    actor: str,
    action: str,
    purchase_id: uuid.UUID | None,
    details: Mapping[str, Any],
) -> None:
    """Write a line of the audit log, in the transaction of what it is about."""
    uow.execute(
        uow.sql.insert_audit,
        {
            "created_at": uow.now,
            "actor": actor,
            "action": action,
            "purchase_id": purchase_id,
            "details": dict(details),
        },
    )


def _audit(
    uow: UnitOfWork,
    recorded: Recorded,
    action: str,
    cause: str,
    details: Mapping[str, Any],
) -> None:
    log_act(uow, recorded.actor, action, recorded.purchase_id, {**details, "cause": cause})
