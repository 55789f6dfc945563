"""How long Stripe is waited for: all that one web request asks together ends before a worker is
killed, usually after 30 seconds."""

from __future__ import annotations

import math
import time

from flask import has_request_context, request

# What a web request may wait for Stripe in all, from its first call on.
LONGEST_REQUEST_SECONDS = 22.0

# No request lives so long; what still has its context is a socket or a test, and begins anew.
FORGOTTEN_AFTER_SECONDS = 60.0

MAX_NETWORK_RETRIES = 2
CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 4.5
# For questions that a buyer waits on, where we have another answer.
IMPATIENT_TIMEOUT_SECONDS = 3.0

FIRST_PAUSE_SECONDS = 0.5
# Stripe's wish to be left alone for longer is passed on to whoever asked us.
LONGEST_PAUSE_SECONDS = 4.0
# Less is no use to anybody.
SHORTEST_TRY_SECONDS = 0.2

_KEY = "flask_stripe_credits.deadline"


def seconds_left() -> float:
    """How long Stripe may still be waited for; infinity outside of a web request."""
    if not has_request_context():
        return math.inf
    now = time.monotonic()
    deadline: float | None = request.environ.get(_KEY)
    if deadline is None or now > deadline + FORGOTTEN_AFTER_SECONDS:
        deadline = request.environ[_KEY] = now + LONGEST_REQUEST_SECONDS
    return deadline - now


def timeouts(impatient: bool) -> tuple[float, float]:
    """How long one try may take to connect, and how long from then on."""
    if impatient:
        return IMPATIENT_TIMEOUT_SECONDS / 3, IMPATIENT_TIMEOUT_SECONDS * 2 / 3
    return CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
