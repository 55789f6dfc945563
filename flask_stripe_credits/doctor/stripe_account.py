"""What Stripe says of the key and of the account behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..config import SECRET_KEY
from ..errors import GatewayKeyRefused, GatewayRejected, GatewayUnavailable
from .findings import Finding, error, ok, skipped, warning
from .patient import Patient

_KEYS_PAGE = "https://dashboard.stripe.com/apikeys"


@dataclass(frozen=True, slots=True)
class _Need:
    """Something that the key has to be allowed.

    :ivar nothing: path of an object that doesn't exist, where objects are changed.
    :ivar command: the one that needs it; None: selling does.
    """

    path: str
    command: str | None
    nothing: str | None = None

    def __str__(self) -> str:
        return f"to {'read' if self.nothing is None else 'change'} {self.path}"


_NEEDS = (
    _Need("/v1/checkout/sessions", None, "/v1/checkout/sessions/cs_test_doctor/expire"),
    _Need("/v1/refunds", None),
    _Need("/v1/payment_intents", "reconcile"),
    _Need("/v1/disputes", "reconcile"),
    _Need("/v1/events", "replay"),
    _Need("/v1/refunds", "refund", "/v1/refunds/re_doctor"),
    _Need("/v1/products", "sync"),
    _Need("/v1/prices", "sync"),
    _Need("/v1/products", "sync", "/v1/products/prod_doctor"),
    _Need("/v1/prices", "sync", "/v1/prices/price_doctor"),
    _Need("/v1/webhook_endpoints", "webhook"),
    _Need("/v1/webhook_endpoints", "webhook", "/v1/webhook_endpoints/we_doctor"),
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
    lacking = list(_lacking(patient))
    for need, missing in lacking:
        told = f"the restricted key lacks {missing} ({need})"
        if need.command is None:
            yield error(told, f"add it to the key at {_KEYS_PAGE}")
        else:
            yield warning(
                f"{told}, which `flask credits {need.command}` needs",
                f"add it at {_KEYS_PAGE}, or run that command with another key",
            )
    if not lacking:
        yield ok("the restricted key may do all that is needed")


def _lacking(patient: Patient) -> Iterator[tuple[_Need, str]]:
    gateway = patient.state.gateway
    for need in _NEEDS:
        try:
            if need.nothing is None:
                gateway.ask(need.path, {"limit": 1})
            else:
                gateway.ask_to_change(need.nothing)
        except GatewayKeyRefused as refused:
            yield need, refused.permission or "a permission"
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
