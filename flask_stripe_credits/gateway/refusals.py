"""What Stripe's refusals and failures become: our errors, without bodies, headers and keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import GatewayKeyRefused, GatewayOtherMode, GatewayRejected, GatewayUnavailable
from ..logs import Log

if TYPE_CHECKING:
    import stripe

log: Log = Log(__name__)

# "No such price: 'price_1'; a similar object exists in live mode, but a test mode key was used to
# make this request." Nothing else of the error tells it from an id that nobody has.
_OTHER_MODE = re.compile(r"exists in (live|test) mode")


def translated(
    error: stripe.StripeError, api_base: str | None, answered_as: str | None
) -> Exception:
    """Return our error for one of the library's, and log it.

    :param api_base: where Stripe was looked for, when it isn't Stripe's own address.
    :param answered_as: the request id of Stripe's answer, which the library may not have read.
    """
    import stripe

    from .transport import retry_after

    status, request_id = error.http_status, error.request_id or answered_as
    detail = error.error
    code = getattr(detail, "code", None) or error.code or getattr(detail, "type", None)
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        permission = _permission(error)
        lacking = "" if permission is None else f": it lacks {permission}"
        log.error(
            "stripe_key_refused",
            "Stripe refused the API key%s (request %s)",
            lacking,
            request_id,
            stripe_request_id=request_id,
        )
        return GatewayKeyRefused(
            f"Stripe refused the API key{lacking}",
            code=code,
            request_id=request_id,
            permission=permission,
        )
    if isinstance(error, (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError)):
        answered = status is not None and status >= 500
        name = type(error).__name__
        known = [str(told) for told in (name, status, code) if told is not None]
        if request_id is not None:
            known.append(f"(request {request_id})")
        log.warning(
            "stripe_unavailable",
            "Stripe unavailable: %s",
            " ".join(known),
            stripe_request_id=request_id,
        )
        where = ""
        if status is None and api_base is not None:
            where = f": no answer from STRIPE_CREDITS_API_BASE, {api_base}"
        return GatewayUnavailable(
            f"Stripe is not available ({name}){where}",
            code=code,
            request_id=request_id,
            answered=answered,
            retry_after_seconds=retry_after(error.headers),
        )
    param = getattr(detail, "param", None)
    log.error(
        "stripe_rejected",
        "Stripe rejected %s: %s (request %s)",
        param,
        code,
        request_id,
        stripe_request_id=request_id,
    )
    other_mode = _OTHER_MODE.search(getattr(detail, "message", None) or "")
    if other_mode is not None:
        return GatewayOtherMode(other_mode[1] == "live", code=code, request_id=request_id)
    return GatewayRejected(
        f"Stripe rejected the request: {code or type(error).__name__}"
        + (f" ({param})" if param else ""),
        code=code,
        request_id=request_id,
    )


def _permission(error: stripe.StripeError) -> str | None:
    """What a restricted key lacks. Stripe names it only in a sentence for people."""
    if error.http_status != 403:
        return None
    named = re.search(r"\brak_[a-z_]{1,100}\b", error.user_message or "")
    return f"the permission {named[0]}" if named else "a permission"
