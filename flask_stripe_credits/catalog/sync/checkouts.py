"""Which prices open checkouts still need.

Stripe sells no archived price in a new checkout, and doesn't say what becomes of the page of one
that is open. So nothing is archived under the hands of a buyer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from ...facts import PurchaseStatus
from ...reading import reading
from ...state import AppState

# https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at
_LONGEST_SESSION = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Needed:
    """The checkouts that need one price.

    :ivar until: when the last of them expires, if nobody pays before.
    """

    checkouts: int
    until: dt.datetime


def prices_needed(state: AppState, price_ids: Collection[str]) -> Mapping[str, Needed]:
    """Return who needs which of the prices: open checkouts, and those that are being opened.

    :raises DatabaseBusy: the database can't be read now.
    """
    if not price_ids:
        return {}
    c, now = state.models.table(state.models.Purchase).c, dt.datetime.now(dt.UTC)
    unopened = c.expires_at.is_(None)
    query = (
        sa.select(
            c.stripe_price_id,
            sa.func.count().label("checkouts"),
            sa.func.max(c.expires_at).label("expires_at"),
            sa.func.max(c.created_at).filter(unopened).label("begun_at"),
        )
        .where(
            c.status == PurchaseStatus.PENDING,
            c.stripe_price_id.in_(price_ids),
            # Without a session it is being opened, or may be resumed by the client's key.
            sa.or_(c.expires_at > now, unopened & (c.created_at > now - _LONGEST_SESSION)),
        )
        .group_by(c.stripe_price_id)
    )
    with reading(state) as connection:
        rows = connection.execute(query).all()
    return {row.stripe_price_id: Needed(row.checkouts, _until(row)) for row in rows}


def _until(row: sa.Row[Any]) -> dt.datetime:
    opened = [] if row.expires_at is None else [row.expires_at]
    begun = [] if row.begun_at is None else [row.begun_at + _LONGEST_SESSION]
    return cast(dt.datetime, max(opened + begun))
