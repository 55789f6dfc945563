"""The outbox: grants that are committed first and handed over afterwards, at least once.

A grant is claimed by a lease in a short transaction, handed over with none of ours open, and marked
in another short one. A worker that dies in between loses nothing: its lease runs out.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from flask import Flask

from .config import Delivery
from .delivery import deliver_in_transaction, deliver_outside
from .errors import FulfillmentError, NoReceiver, ReceiverFailed, StripeCreditsError
from .facts import Decision, Row, lock_purchase
from .logs import Log
from .snapshots import GrantSnapshot, PurchaseSnapshot
from .state import AppState
from .unit_of_work import UnitOfWork, in_transaction

log: Log = Log(__name__)

T = TypeVar("T")

_READ_COMMITTED = sa.text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

LEASE = dt.timedelta(seconds=60)
LONGEST_PAUSE = dt.timedelta(hours=1)
LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """A grant that is ours to hand over until the lease runs out.

    :ivar attempt: 1, 2, 3 …: whoever claims the grant after us has a higher one.
    :ivar due_at: what was due by then belongs to this run.
    """

    grant: GrantSnapshot
    attempt: int
    due_at: dt.datetime


def claim_next(
    state: AppState, due_at: dt.datetime | None, purchase_id: uuid.UUID | None
) -> Claim | None:
    """Claim the grant that has been due for longest, None when none is. Commits.

    Never one that has an undelivered grant of the same purchase before it, nor one whose purchase
    is in review or was dismissed.

    :param due_at: leave alone what became due later; None for now.
    :param purchase_id: only grants of this purchase.
    """

    def claim(uow: UnitOfWork) -> Claim | None:
        due = due_at or uow.now
        known = {"due_at": due, "now": uow.now, "dismissed": Decision.DISMISSED}
        if purchase_id is None:
            found = uow.execute(uow.sql.find_due_grant, known)
        else:
            found = uow.execute(uow.sql.find_due_grant_of, known | {"purchase_id": purchase_id})
        row = found.mappings().first()
        if row is None:
            return None
        attempt = row["attempts"] + 1
        uow.execute(
            uow.sql.claim_grant,
            {"grant_id": row["id"], "claimed_until": uow.now + LEASE, "attempts": attempt},
        )
        of_grant = {"purchase_id": row["purchase_id"]}
        purchase = uow.execute(uow.sql.find_purchase, of_grant).mappings().one()
        return Claim(GrantSnapshot.of(row, PurchaseSnapshot.of(purchase)), attempt, due)

    return _in_short_transaction(state, claim)


def hand_over(state: AppState, app: Flask, claim: Claim) -> None:
    """Call the receivers in the manner of ``STRIPE_CREDITS_DELIVERY`` and mark the grant. Commits.

    :raises FulfillmentError: nobody took it; the lease still runs.
    :raises Refuse: a receiver can never take it; the lease still runs.
    """
    if state.settings.delivery is Delivery.OUTBOX:
        started = time.monotonic()
        deliver_outside(state, app, claim.grant)
        if (seconds := time.monotonic() - started) > LEASE.total_seconds():
            log.warning(
                "delivery_slow",
                "the receivers of grant %s took %.0f s: somebody else may have been handed it too",
                claim.grant.id,
                seconds,
                purchase_id=claim.grant.purchase_id,
                user_id=claim.grant.user_id,
            )
        _in_short_transaction(state, lambda uow: _mark_delivered(uow, claim.grant))
    else:
        try:
            in_transaction(state, lambda uow: _hand_over_inside(uow, app, claim))
        except StripeCreditsError:
            raise
        except Exception as error:
            # What a receiver left to the commit, e.g. a deferred constraint, fails there.
            raise ReceiverFailed(f"the commit failed with {error!r}") from error


def _in_short_transaction(state: AppState, work: Callable[[UnitOfWork], T]) -> T:
    """At a level where workers that look at the same rows don't make each other fail."""

    def lowered(uow: UnitOfWork) -> T:
        if uow.owns_connection and uow.connection.dialect.name == "postgresql":
            uow.execute(_READ_COMMITTED)
        return work(uow)

    return in_transaction(state, lowered)


def _hand_over_inside(uow: UnitOfWork, app: Flask, claim: Claim) -> None:
    """A grant of the time before the setting was switched back to ``transaction``."""
    lock_purchase(uow, uuid.UUID(claim.grant.purchase_id))
    if _mark_delivered(uow, claim.grant):
        _deliver_marked(uow, app, claim.grant)


def _deliver_marked(uow: UnitOfWork, app: Flask, grant: GrantSnapshot) -> None:
    """Call the receivers. If the mark is gone then, one of them has rolled us back in the driver.

    :raises ReceiverFailed: so that nothing is kept.
    """
    deliver_in_transaction(uow, app, grant)
    grants = uow.models.table(uow.models.Grant).c
    # Only asked: in a driver that is in autocommit mode a write would be final by now.
    mark = sa.select(grants.delivered_at).where(grants.id == uuid.UUID(grant.id))
    if uow.execute(mark).scalar() is None:
        raise ReceiverFailed("a receiver rolled back the transaction that it was called in")


def _mark_delivered(uow: UnitOfWork, grant: GrantSnapshot) -> bool:
    """Whoever was told late that it worked may say so too, lease or not."""
    known = {"grant_id": uuid.UUID(grant.id), "delivered_at": uow.now}
    return uow.execute(uow.sql.mark_delivered, known).rowcount == 1


def hand_over_earlier(uow: UnitOfWork, app: Flask, purchase: Row) -> None:
    """Deliver what is undelivered of a locked purchase, before a newer grant is handed over.

    :raises FulfillmentError: somebody is handing one of them over right now.
    """
    known = {"purchase_id": purchase["id"]}
    for row in uow.execute(uow.sql.lock_undelivered, known).mappings().all():
        if row["claimed_until"] is not None and row["claimed_until"] > uow.now:
            raise FulfillmentError(
                f"grant {row['id']} is being delivered from the outbox; a newer one has to wait"
            )
        grant = GrantSnapshot.of(row, PurchaseSnapshot.of(purchase))
        _mark_delivered(uow, grant)
        _deliver_marked(uow, app, grant)


def mark_failed(state: AppState, claim: Claim, error: FulfillmentError) -> dt.datetime:
    """Give the grant back, to be tried again later; return when. Commits."""

    def mark(uow: UnitOfWork) -> dt.datetime:
        next_attempt_at = uow.now + pause_after(claim.attempt)
        give_back(uow, claim, described(error), next_attempt_at)
        return next_attempt_at

    return _in_short_transaction(state, mark)


def give_back(
    uow: UnitOfWork, claim: Claim, error: str, next_attempt_at: dt.datetime | None = None
) -> bool:
    """End our lease and note why. False when it had run out and the grant isn't ours any more."""
    known = {
        "grant_id": uuid.UUID(claim.grant.id),
        "attempt": claim.attempt,
        "last_error": error[:LONGEST_ERROR],
    }
    if next_attempt_at is not None:
        known["next_attempt_at"] = next_attempt_at
    return uow.execute(uow.sql.mark_failed, known).rowcount == 1


@dataclass(frozen=True, slots=True)
class Backlog:
    """Grants that are not delivered and that nobody is delivering right now.

    :ivar left: to be tried, now or later.
    :ivar in_review: their purchase waits for an operator's decision.
    """

    left: int
    in_review: int


def read_backlog(state: AppState) -> Backlog:
    """Count what is undelivered."""

    def read(uow: UnitOfWork) -> Backlog:
        known = {"now": uow.now, "dismissed": Decision.DISMISSED}
        found = uow.execute(uow.sql.count_undelivered, known).one()
        return Backlog(found.left, found.in_review)

    return _in_short_transaction(state, read)


def pause_after(attempt: int) -> dt.timedelta:
    """How long to wait after this many failed attempts: 1 s, 2 s, 4 s … up to an hour."""
    return min(dt.timedelta(seconds=2 ** min(attempt - 1, 12)), LONGEST_PAUSE)


def described(error: FulfillmentError) -> str:
    """Only the class of an exception of the host's: its text may hold a password."""
    cause = error.__cause__
    if isinstance(error, NoReceiver) or cause is None:
        return str(error)
    return f"{type(cause).__module__}.{type(cause).__qualname__}".removeprefix("builtins.")
