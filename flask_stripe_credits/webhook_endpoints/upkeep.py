"""Make, mend and remove endpoints at Stripe. Each step may be the last one before a crash.

Stripe tells a signing secret once, in the answer that makes the endpoint, and has no call that
rolls it. So an endpoint is marked with the fingerprint of its secret *after* the secret was handed
over: an endpoint of ours without one is what a run left that died in between.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Iterable, Sequence

from ..credentials import Secret
from ..errors import GatewayRejected
from ..notices import log_act
from ..state import AppState
from ..stripe_objects import FINGERPRINT_MARKER, SITE_MARKER, WebhookEndpoint
from ..unit_of_work import UnitOfWork, in_transaction
from .wanted import Wanted, fingerprint, ours

# Stripe counts whole seconds: what is made after this pause is younger than what was there before.
SECONDS_UNTIL_LATER = 1.1

_LONG_FROM_NOW = dt.datetime.max.replace(tzinfo=dt.UTC)
_DESCRIPTION = "flask-stripe-credits: tells the app about payments"


def find(state: AppState, wanted: Wanted) -> list[WebhookEndpoint]:
    """Return the endpoints with the wanted address, newest first. Asks Stripe.

    :raises GatewayError, NotConfigured: this and everything here that asks Stripe.
    """
    return ours(state.gateway.list_webhook_endpoints(), wanted.url)


def make(
    state: AppState, wanted: Wanted, *, more_events: Iterable[str] = ()
) -> tuple[WebhookEndpoint, Secret]:
    """Make an endpoint; return it and its signing secret, which nobody will tell again.

    Not safe to repeat: each call makes one.

    :param more_events: types that a host listens to besides ours; ``*`` for every type.
    """
    events = {*wanted.events, *more_events}
    params = {
        "url": wanted.url,
        "enabled_events": ["*"] if "*" in events else sorted(events),
        "api_version": wanted.api_version,
        "description": _DESCRIPTION,
        "metadata": {SITE_MARKER: state.settings.site},
    }
    # New at every call: under a key that was used before, Stripe would answer with an endpoint
    # that may be deleted by now.
    made = state.gateway.create_webhook_endpoint(params, idempotency_key=secrets.token_hex(16))
    if made.secret is None:
        raise GatewayRejected(f"Stripe made the endpoint {made.id} and told no signing secret")
    return made, made.secret


def rival_of(
    state: AppState, wanted: Wanted, made: WebhookEndpoint, beside: Sequence[WebhookEndpoint]
) -> WebhookEndpoint | None:
    """Return what another run made at the same moment, if that one is to stay instead of ``made``.

    Both runs come to the same answer: the oldest stays, of one second the one with the lowest id.
    Takes a second. Only when this returned None may the secret of ``made`` be handed over.

    :param beside: what there was before.
    :raises GatewayRejected: ``made`` is gone: another run took it for what a dead run had left.
    """
    time.sleep(SECONDS_UNTIL_LATER)
    known = {one.id for one in beside}
    new = [one for one in find(state, wanted) if one.id not in known and one.site is not None]
    if made.id not in {one.id for one in new}:
        raise GatewayRejected(
            f"another run deleted {made.id} just after it was made: nothing was handed over; "
            "let one run end before you start the next"
        )
    first = min(new, key=lambda one: (one.created or _LONG_FROM_NOW, one.id))
    return None if first.id == made.id else first


def note_handed_over(state: AppState, endpoint: WebhookEndpoint, secret: Secret) -> None:
    """Mark an endpoint as one whose secret somebody has. Safe to repeat."""
    metadata = {FINGERPRINT_MARKER: fingerprint(secret)}
    state.gateway.update_webhook_endpoint(endpoint.id, {"metadata": metadata})


def mend(state: AppState, endpoint: WebhookEndpoint, wanted: Wanted) -> list[str]:
    """Enable an endpoint and the events that it lacks; return what was done, in words.

    Events that only the host wants are left. Safe to repeat.
    """
    enabled = set(endpoint.enabled_events)
    missing = [] if "*" in enabled else sorted(set(wanted.events) - enabled)
    params: dict[str, object] = {}
    done = []
    if missing:
        params["enabled_events"] = sorted({*wanted.events, *enabled})
        done.append(f"added {', '.join(missing)}")
    if not endpoint.is_enabled:
        params["disabled"] = False
        done.append("enabled it")
    if params:
        state.gateway.update_webhook_endpoint(endpoint.id, params)
    return done


def remove(state: AppState, endpoint: WebhookEndpoint) -> bool:
    """Delete an endpoint; return whether it was still there. Safe to repeat."""
    return state.gateway.delete_webhook_endpoint(endpoint.id)


def audit(state: AppState, action: str, endpoint: WebhookEndpoint, *, actor: str) -> None:
    """Write an operator's act into the audit log. Commits.

    :raises DatabaseBusy, TablesOutOfDate: it couldn't be; the act is done nevertheless.
    """

    def write(uow: UnitOfWork) -> None:
        details = {"endpoint_id": endpoint.id, "url": endpoint.url}
        log_act(uow, actor, f"webhook_endpoint.{action}", None, details)

    in_transaction(state, write)
