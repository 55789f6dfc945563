"""Ask Stripe about one purchase and fulfill at once, so that credits don't wait for the webhook."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from .errors import GatewayError, NotConfigured
from .facts import PurchaseStatus, Row, news_of, record_session
from .fulfillment import settle
from .logs import Log
from .state import AppState
from .unit_of_work import in_transaction

log: Log = Log(__name__)

# Many tabs and workers may poll; Stripe is asked once in this time for each purchase.
ASK_AT_MOST_EVERY = dt.timedelta(seconds=5)

UNSETTLED = (PurchaseStatus.PENDING, PurchaseStatus.PROCESSING)


def settle_from_stripe(state: AppState, purchase: Row) -> bool:
    """Ask Stripe what became of ``purchase``, record it and fulfill. Commits; safe to repeat.

    Asks at most once in five seconds, for three seconds, outside any transaction. When Stripe
    can't be asked nothing changes: the webhook will tell.

    :returns: whether anything was recorded.
    :raises NoReceiver, ReceiverFailed, DatabaseBusy: as :func:`.fulfillment.settle`.
    """
    session_id = purchase["stripe_checkout_session_id"]
    if purchase["status"] not in UNSETTLED or session_id is None:
        return False
    if not _is_my_turn(state, purchase):
        return False
    try:
        session = state.gateway.retrieve_checkout_session(session_id, impatient=True)
    except (GatewayError, NotConfigured) as error:
        log.warning(
            "stripe_not_asked",
            "Stripe could not be asked about %s: %s",
            session_id,
            error,
            purchase_id=purchase["id"],
            user_id=purchase["user_id"],
            stripe_request_id=getattr(error, "request_id", None),
        )
        return False
    news = news_of(session)
    if news is None:
        return False
    settle(state, lambda uow: record_session(uow, session, news), cause="return page")
    return True


def _is_my_turn(state: AppState, purchase: Row) -> bool:
    table = state.models.table(state.models.Purchase)
    checked_at = table.c.stripe_checked_at

    def claim(now: dt.datetime) -> sa.Update:
        return (
            sa.update(table)
            .where(
                table.c.id == purchase["id"],
                sa.or_(checked_at.is_(None), checked_at <= now - ASK_AT_MOST_EVERY),
            )
            .values(stripe_checked_at=now)
        )

    return in_transaction(state, lambda uow: uow.execute(claim(uow.now)).rowcount == 1)
