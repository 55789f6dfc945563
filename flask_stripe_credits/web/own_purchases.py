"""One purchase of the signed-in user's, after Stripe was asked about it if need be."""

from __future__ import annotations

from dataclasses import dataclass

from werkzeug.exceptions import NotFound

from ..errors import DatabaseBusy, FulfillmentError
from ..facts import Row
from ..history import Posted, posted_of, purchase_of
from ..logs import Log
from ..reading import reading
from ..settlement import settle_from_stripe
from ..state import AppState
from ..stripe_objects import parse_uuid

log: Log = Log(__name__)


@dataclass(frozen=True, slots=True)
class OwnPurchase:
    """A row of the user's and what its grants come to, read at one moment."""

    row: Row
    posted: Posted


def own_purchase(state: AppState, user_id: str, purchase_id: str) -> OwnPurchase:
    """Return the purchase as we know it.

    :raises werkzeug.exceptions.NotFound: unknown, malformed or somebody else's, all the same.
    """
    key = parse_uuid(purchase_id)
    if key is not None:
        with reading(state) as connection:
            row = purchase_of(connection, state.models, user_id, key)
            if row is not None:
                return OwnPurchase(row, posted_of(connection, state.models, key))
    raise NotFound


def settled_purchase(state: AppState, user_id: str, purchase_id: str) -> OwnPurchase:
    """Return the purchase; while it isn't settled, ask Stripe first and fulfill at once.

    Asks at most once in five seconds; commits. Where that fails, returns what we know.

    :raises werkzeug.exceptions.NotFound: as :func:`own_purchase`.
    """
    found = own_purchase(state, user_id, purchase_id)
    try:
        changed = settle_from_stripe(state, found.row)
    except (FulfillmentError, DatabaseBusy):
        # Nothing was kept; the webhook or the next question will do it.
        log.exception(
            "fulfillment_postponed",
            "purchase %s could not be fulfilled yet",
            found.row["id"],
            purchase_id=found.row["id"],
            user_id=user_id,
        )
        return found
    return own_purchase(state, user_id, purchase_id) if changed else found
