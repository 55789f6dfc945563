"""The parameters of a Checkout Session, and what a host may change of them.

https://docs.stripe.com/api/checkout/sessions/create
"""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any

from .config import Settings
from .errors import ConfigurationError
from .redirects import PURCHASE_ID
from .snapshots import PurchaseSnapshot
from .stripe_objects import PURCHASE_MARKER, SITE_MARKER

# Identity, price, quantity, recovery, shipping and the way back; capture is checked apart.
PROTECTED = (
    "after_expiration",
    "allow_promotion_codes",
    "automatic_tax",
    "cancel_url",
    "client_reference_id",
    "currency",
    "discounts",
    "expires_at",
    "line_items",
    "mode",
    "optional_items",
    "return_url",
    "setup_intent_data",
    "shipping_address_collection",
    "shipping_options",
    "subscription_data",
    "success_url",
    "ui_mode",
)
# What `stripe.StripeClient.raw_request` takes for itself: Stripe would not get it as a parameter,
# and another account's session would be paid there.
OF_THE_LIBRARY = (
    "api_key",
    "base",
    "content_type",
    "headers",
    "idempotency_key",
    "max_network_retries",
    "method_",
    "stripe_account",
    "stripe_context",
    "stripe_version",
    "url_",
    "usage",
)
PROTECTED_OF_PAYMENT_INTENT = (
    "application_fee_amount",
    "capture_method",
    "on_behalf_of",
    "transfer_data",
)


def build_params(
    purchase: PurchaseSnapshot,
    *,
    description: str | None,
    stripe_price_id: str | None,
    success_url: str,
    cancel_url: str,
    settings: Settings,
    now: dt.datetime,
) -> dict[str, Any]:
    """Return the parameters for ``purchase``. They are frozen in its row: Stripe compares them
    when a request is repeated with the same idempotency key."""
    metadata = {
        SITE_MARKER: settings.site,
        PURCHASE_MARKER: purchase.id,
        # For people who read the Dashboard; never read back.
        "user_id": purchase.user_id,
        "credits": str(purchase.amount_credits),
        "package_code": purchase.package_code,
    }
    params: dict[str, Any] = {
        "mode": "payment",
        "line_items": [_line_item(purchase, description, stripe_price_id)],
        "client_reference_id": purchase.id,
        "metadata": metadata,
        "payment_intent_data": {
            "metadata": dict(metadata),
            # Never an authorisation that somebody has to capture later.
            "capture_method": "automatic_async",
        },
        "success_url": success_url.replace(PURCHASE_ID, purchase.id),
        "cancel_url": cancel_url.replace(PURCHASE_ID, purchase.id),
    }
    if settings.session_expires_seconds is not None:
        params["expires_at"] = expiry(settings.session_expires_seconds, now)
    if settings.allow_promotion_codes:
        params["allow_promotion_codes"] = True
    if settings.automatic_tax:
        params["automatic_tax"] = {"enabled": True}
    return params


def expiry(seconds: int, now: dt.datetime) -> int:
    """The Unix time ``seconds`` after ``now``."""
    return int(now.timestamp()) + seconds


def _line_item(
    purchase: PurchaseSnapshot, description: str | None, stripe_price_id: str | None
) -> dict[str, Any]:
    if stripe_price_id is not None:
        return {"price": stripe_price_id, "quantity": 1}
    product = {"name": purchase.package_name}
    if description:
        product["description"] = description
    return {
        "price_data": {
            "currency": purchase.currency,
            "unit_amount": purchase.unit_amount,
            "product_data": product,
        },
        "quantity": 1,
    }


def apply_hook(
    hook: Callable[[PurchaseSnapshot, dict[str, Any]], Mapping[str, Any]],
    purchase: PurchaseSnapshot,
    params: dict[str, Any],
) -> dict[str, Any]:
    """Let the host add to ``params``.

    :raises ConfigurationError: when it changed what it may not, or returned no parameters.
    """
    changed = hook(purchase, copy.deepcopy(params))
    if not isinstance(changed, Mapping):
        raise ConfigurationError(
            f"checkout_session_params must return the parameters, not {type(changed).__name__}"
        )
    try:
        result: dict[str, Any] = json.loads(json.dumps(changed))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"checkout_session_params returned something that JSON can't hold: {error}"
        ) from error
    _refuse_changes(params, result)
    return result


def _refuse_changes(params: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    for name in (*PROTECTED, *OF_THE_LIBRARY):
        _same(name, params, changed)
    _same_metadata("metadata", params, changed)
    intent, changed_intent = (
        params["payment_intent_data"],
        _part(changed, "payment_intent_data", "payment_intent_data"),
    )
    for name in PROTECTED_OF_PAYMENT_INTENT:
        _same(name, intent, changed_intent, "payment_intent_data.")
    _same_metadata("metadata", intent, changed_intent, "payment_intent_data.")
    _refuse_capture(changed.get("payment_method_options"), "payment_method_options")


def _refuse_capture(options: object, shown: str) -> None:
    """A payment method may have a ``capture_method`` of its own, which goes before the intent's."""
    if not isinstance(options, Mapping):
        return
    for name, value in options.items():
        if name == "capture_method":
            raise ConfigurationError(f"checkout_session_params may not set {shown}.{name}")
        _refuse_capture(value, f"{shown}.{name}")


def _same(
    name: str, params: Mapping[str, Any], changed: Mapping[str, Any], prefix: str = ""
) -> None:
    if params.get(name) != changed.get(name) or (name in params) != (name in changed):
        raise ConfigurationError(f"checkout_session_params may not change {prefix}{name}")


def _same_metadata(
    name: str, params: Mapping[str, Any], changed: Mapping[str, Any], prefix: str = ""
) -> None:
    ours, theirs = params[name], _part(changed, name, prefix + name)
    for key, value in ours.items():
        if theirs.get(key) != value:
            raise ConfigurationError(f"checkout_session_params may not change {prefix}{name}.{key}")


def _part(params: Mapping[str, Any], name: str, shown: str) -> Mapping[str, Any]:
    value = params.get(name)
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"checkout_session_params may not remove {shown}")
    return value
