"""A user's balance, which the host alone knows: for people to read, never to count with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .logs import Log, quoted
from .state import AppState

log: Log = Log(__name__)


def balance_of(state: AppState, user_id: str) -> int | None:
    """Ask the host's ``balance_loader``: whole credits, None when it doesn't say.

    Never raises because of the host: a balance that can't be read must not hide a purchase.
    What the loader left undone in ``db.session`` is rolled back then.
    """
    loader = state.callbacks.balance_loader
    if loader is None:
        return None
    try:
        found: Any = loader(user_id)
    except Exception:
        log.exception(
            "balance_unknown",
            "the balance_loader failed for user %s",
            quoted(user_id),
            user_id=user_id,
        )
        state.db.session.rollback()
        return None
    # PostgreSQL's sum() of whole numbers is a Decimal.
    if type(found) is Decimal and found.is_finite() and found == int(found):
        return int(found)
    if type(found) is int:
        return found
    if found is not None:
        log.error(
            "balance_unclear", "the balance_loader must return a whole number, not %s", repr(found)
        )
    return None
