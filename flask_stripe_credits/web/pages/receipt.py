"""Stripe's receipt for a purchase: asked for when somebody wants it, and only shown by Stripe."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import redirect
from werkzeug.wrappers import Response

from ...config import Settings
from ...errors import GatewayError, NotConfigured
from ...logs import Log
from ...origins import origin_of
from ...state import current_state
from ..own_purchases import own_purchase
from .errors import page_of_words
from .texts import text
from .visitors import visitor

log: Log = Log(__name__)


def receipt(purchase_id: str) -> Response:
    """Send the buyer on to the receipt of one of their own purchases."""
    state, user_id = current_state(), visitor()
    row = own_purchase(state, user_id, purchase_id).row
    payment_intent_id = row["stripe_payment_intent_id"]
    try:
        url = payment_intent_id and state.gateway.receipt_url_of(payment_intent_id)
    except (GatewayError, NotConfigured) as error:
        log.warning(
            "stripe_not_asked",
            "Stripe could not be asked about %s: %s",
            payment_intent_id,
            error,
            purchase_id=row["id"],
            user_id=user_id,
        )
        detail = text("The receipt can't be fetched right now. Please try again in a minute.")
        return page_of_words(503, text("Just a moment"), detail)
    if not url or not is_stripes(url, state.settings):
        detail = text("Stripe has no receipt for this purchase.")
        return page_of_words(404, text("No receipt"), detail)
    return redirect(url, 303)


def is_stripes(url: str, settings: Settings) -> bool:
    """Whether ``url`` leads to Stripe, or to the sandbox that stands in for it."""
    origin = origin_of(url)
    if origin is None:
        return False
    if settings.api_base is not None:
        return origin == settings.api_base
    parts = urlsplit(origin)
    host = parts.hostname or ""
    return parts.scheme == "https" and (host == "stripe.com" or host.endswith(".stripe.com"))
