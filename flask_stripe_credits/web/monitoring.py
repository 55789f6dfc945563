"""What load balancers and Prometheus ask. Never Stripe, never anybody's session."""

from __future__ import annotations

import hmac

from flask import Response, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import NotFound, Unauthorized

from ..errors import NotConfigured
from ..monitoring.health import health_of
from ..state import current_app_object, current_state
from .json_exchange import json_answer

_TOKEN = "STRIPE_CREDITS_METRICS_TOKEN"  # noqa: S105 - the name of a setting


def health() -> Response:
    """Whether this process can sell and grant credits: 200, else 503."""
    found = health_of(current_app_object())
    status = "ok" if found.ok else "unavailable"
    return json_answer({"status": status, **found.checks}, 200 if found.ok else 503)


def health_live() -> Response:
    """That this process answers. Touches nothing that a restart wouldn't mend."""
    return json_answer({"status": "ok"}, 200)


def metrics() -> Response:
    """Our metrics, for whoever has the token."""
    state = current_state()
    token = state.settings.metrics_token
    if token is None:
        raise NotFound
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    known = token.reveal().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), known):
        raise Unauthorized(www_authenticate=WWWAuthenticate("bearer"))
    try:
        from ..monitoring.exposition import CONTENT_TYPE, exposition
    except ImportError:
        raise NotConfigured(_TOKEN, "needs prometheus_client: it isn't installed") from None
    registry = getattr(state.measurements, "registry", None)
    if registry is None:
        raise NotConfigured("STRIPE_CREDITS_METRICS", "is off: nothing is counted")
    return Response(exposition(registry), content_type=CONTENT_TYPE)
