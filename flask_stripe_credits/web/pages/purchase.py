"""One purchase: the page that Stripe sends buyers back to, and that the history leads to."""

from __future__ import annotations

import datetime as dt

from flask import Response, jsonify, render_template, request

from ...balances import balance_of
from ...state import current_state
from ..own_purchases import OwnPurchase, settled_purchase
from .outcomes import outcome_of
from .visitors import visitor


def purchase(purchase_id: str) -> str:
    """How one of the buyer's own purchases stands, as the database knows it.

    ``?returned=paid`` or ``left`` says which of Stripe's links led here. It chooses words while
    nothing is known, and decides nothing.
    """
    state, user_id = current_state(), visitor(sent_back=True)
    found = settled_purchase(state, user_id, purchase_id)
    outcome = outcome_of(
        found, returned=request.args.get("returned", ""), now=dt.datetime.now(dt.UTC)
    )
    return render_template(
        "flask_stripe_credits/purchase.html",
        purchase=found.row,
        outcome=outcome,
        state=_state_of(found),
        balance=balance_of(state, user_id),
    )


def purchase_state(purchase_id: str) -> Response:
    """A word that changes as soon as the page would say something else, for its script."""
    found = settled_purchase(current_state(), visitor(), purchase_id)
    return jsonify(state=_state_of(found))


def _state_of(found: OwnPurchase) -> str:
    row, posted = found.row, found.posted
    parts = (row["status"], row["amount_refunded"], posted.credits, posted.is_delivered)
    return "-".join(map(str, parts))
