"""Where Stripe delivers events: a module of its own, so that the first imports little else."""

from __future__ import annotations

from flask import Response, request
from werkzeug.exceptions import UnsupportedMediaType

from ..state import current_state
from ..webhooks.receive import receive
from .body import read_body
from .json_exchange import json_answer

# Stripe's events are a few kilobytes; the largest with every field expanded stay far below.
LARGEST_EVENT = 512 * 1024


def webhook() -> Response:
    """One delivery of Stripe's. Authenticated by its signature."""
    headers = request.headers
    if headers.get("Content-Encoding"):
        raise UnsupportedMediaType("the body must not be encoded")
    signature = headers.get("Stripe-Signature")
    verdict = receive(current_state(), read_body(LARGEST_EVENT), signature)
    return json_answer({"received": True, "verdict": verdict})
