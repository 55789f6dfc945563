"""How many checkouts one buyer may open: so many an hour, and so many open at once.

Counted in the database under the lock of the buyer's row, so that they hold in every worker.
"""

from __future__ import annotations

import datetime as dt
import math
import time

import sqlalchemy as sa

from .errors import GatewayRejected, StripeCreditsError, TooManySessions
from .facts import Row, SessionNews, record_session
from .fulfillment import settle
from .logs import Log
from .state import AppState
from .unit_of_work import UnitOfWork, in_transaction

log: Log = Log(__name__)

HOUR = dt.timedelta(hours=1)
# How long one request may take to close a session before another may try.
CLOSING_LEASE = dt.timedelta(seconds=30)
# After this long no further session is closed: the buyer waits for the new one.
LONGEST_MAKING_ROOM_SECONDS = 1.0


def refuse_too_many(uow: UnitOfWork, user_id: str) -> None:
    """Refuse another checkout of a user who opened as many as an hour allows.

    The buyer's row must be locked.

    :raises TooManySessions: with the seconds until the oldest of them is an hour old.
    """
    limit = uow.state.settings.max_sessions_per_hour
    newest = uow.execute(
        uow.sql.find_newest_times,
        {"user_id": user_id, "since": uow.now - HOUR, "most": limit},
    )
    times = newest.scalars().all()
    if len(times) >= limit:
        # Our clock was read before we waited for the lock.
        remaining = min(HOUR, times[-1] + HOUR - uow.now)
        raise TooManySessions(max(1, math.ceil(remaining.total_seconds())))


def claim_superseded(uow: UnitOfWork, row: Row) -> tuple[str, ...]:
    """Return the oldest open sessions beyond the cap that nobody closes yet, for us to close.

    They make room for that of ``row``, so that nobody is locked out. The buyer's row must be
    locked.
    """
    found = uow.execute(
        uow.sql.find_superseded,
        {
            "user_id": row["user_id"],
            "purchase_id": row["id"],
            "now": uow.now,
            "kept": uow.state.settings.max_open_sessions - 1,
        },
    ).all()
    if found:
        purchases = uow.models.table(uow.models.Purchase)
        uow.execute(
            sa.update(purchases)
            .where(purchases.c.id.in_([superseded.id for superseded in found]))
            .values(checkout_claimed_until=uow.now + CLOSING_LEASE)
        )
    return tuple(superseded.stripe_checkout_session_id for superseded in found)


def make_room(state: AppState, session_ids: tuple[str, ...]) -> None:
    """Close claimed sessions at Stripe, as many as the buyer can wait for.

    What is left is closed with the next purchase, or by itself within a day. Never raises because
    Stripe or the database are in trouble: the buyer's own checkout is open already.
    """
    left = list(session_ids)
    try:
        try:
            _close(state, left)
        finally:
            if left:
                _give_back(state, left)
    except StripeCreditsError as error:
        log.warning(
            "session_not_expired",
            "checkout sessions %s could not be expired: %s",
            ", ".join(left),
            error,
            stripe_request_id=getattr(error, "request_id", None),
        )


def _close(state: AppState, left: list[str]) -> None:
    """Close what is ``left`` and take it out of the list, for as long as there is time."""
    until = time.monotonic() + LONGEST_MAKING_ROOM_SECONDS
    for session_id in tuple(left):
        if _expire(state, session_id):
            left.remove(session_id)
        if time.monotonic() > until:
            return


def _expire(state: AppState, session_id: str) -> bool:
    try:
        session = state.gateway.expire_checkout_session(session_id)
    except GatewayRejected as error:
        log.warning(
            "session_not_expired",
            "checkout session %s could not be expired: %s",
            session_id,
            error,
            stripe_request_id=error.request_id,
        )
        return False
    settle(
        state,
        lambda uow: record_session(uow, session, SessionNews.EXPIRED),
        cause="open session limit",
    )
    return True


def _give_back(state: AppState, session_ids: list[str]) -> None:
    purchases = state.models.table(state.models.Purchase)
    in_transaction(
        state,
        lambda uow: uow.execute(
            sa.update(purchases)
            .where(purchases.c.stripe_checkout_session_id.in_(session_ids))
            .values(checkout_claimed_until=None)
        ),
    )
