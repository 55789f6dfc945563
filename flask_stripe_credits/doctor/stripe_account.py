"""What Stripe says of the key and of the account behind it."""

from __future__ import annotations

from collections.abc import Iterator

from ..config import SECRET_KEY
from ..errors import GatewayKeyRefused, GatewayRejected, GatewayUnavailable
from .findings import Finding, error, ok, skipped, warning
from .patient import Patient

_KEYS_PAGE = "https://dashboard.stripe.com/apikeys"
# What selling and reconciling read, and what refunds, sync and webhook change.
_READ = (
    "/v1/checkout/sessions",
    "/v1/payment_intents",
    "/v1/refunds",
    "/v1/disputes",
    "/v1/products",
    "/v1/prices",
    "/v1/events",
    "/v1/webhook_endpoints",
)
_CHANGED = (
    ("/v1/checkout/sessions", "/v1/checkout/sessions/cs_test_doctor/expire"),
    ("/v1/refunds", "/v1/refunds/re_doctor"),
    ("/v1/products", "/v1/products/prod_doctor"),
    ("/v1/prices", "/v1/prices/price_doctor"),
    ("/v1/webhook_endpoints", "/v1/webhook_endpoints/we_doctor"),
)


def accepted(patient: Patient) -> Iterator[Finding]:
    """Does Stripe answer, and take the key?"""
    where = patient.state.settings.api_base or "Stripe"
    try:
        patient.stripe = patient.state.gateway.ask("/v1/checkout/sessions", {"limit": 1})
    except GatewayKeyRefused as refused:
        if refused.permission is None:
            yield error(
                "Stripe refused the API key: it was rolled, or isn't whole",
                f"set {SECRET_KEY} to the one at {_KEYS_PAGE} and restart the app",
            )
        else:
            yield error(str(refused), f"give it Checkout Sessions: write, at {_KEYS_PAGE}")
    except GatewayUnavailable as trouble:
        yield error(
            str(trouble),
            "is it running? `flask credits sandbox` starts the sandbox"
            if patient.state.settings.api_base
            else "see https://status.stripe.com, and whether this machine may call api.stripe.com",
        )
    else:
        yield ok(f"{where} takes the key")


def permissions(patient: Patient) -> Iterator[Finding]:
    """May a restricted key do all that we do?"""
    if not patient.state.settings.require_secret_key().reveal().startswith("rk_"):
        yield ok("a secret key may do everything")
        return
    lacking = [f"{missing} ({what})" for what, missing in _lacking(patient)]
    for missing in lacking:
        yield error(f"the restricted key lacks {missing}", f"add it to the key at {_KEYS_PAGE}")
    if not lacking:
        yield ok("the restricted key may do all that is needed")


def _lacking(patient: Patient) -> Iterator[tuple[str, str]]:
    gateway = patient.state.gateway
    for path in _READ:
        try:
            gateway.ask(path, {"limit": 1})
        except GatewayKeyRefused as refused:
            yield f"to read {path}", refused.permission or "a permission"
    for path, nothing in _CHANGED:
        try:
            gateway.ask_to_change(nothing)
        except GatewayKeyRefused as refused:
            yield f"to change {path}", refused.permission or "a permission"
        except GatewayRejected:
            # It may; there is only no such object.
            continue


def account(patient: Patient) -> Iterator[Finding]:
    """May the account take payments?"""
    try:
        document = patient.state.gateway.ask("/v1/account").document
    except GatewayKeyRefused:
        yield skipped("not checked because a restricted key may not read the account")
        return
    name = document.get("id")
    if document.get("charges_enabled") is True:
        yield ok(f"account {name} may take payments")
    elif patient.livemode:
        yield error(
            f"account {name} can't take live payments yet",
            "finish its activation at https://dashboard.stripe.com/account/onboarding",
        )
    else:
        yield warning(
            f"account {name} can't take live payments yet; test payments work",
            "finish its activation in the Dashboard before you go live",
        )
