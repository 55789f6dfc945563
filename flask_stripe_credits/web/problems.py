"""Errors as RFC 9457 problem documents: one table from our exceptions to HTTP.

The text of an answer is written here; no exception's text of anybody else's reaches a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Response
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from ..errors import (
    ConfigurationError,
    DatabaseBusy,
    FulfillmentError,
    GatewayKeyRefused,
    GatewayRejected,
    GatewayUnavailable,
    InvalidFilter,
    InvalidPackage,
    InvalidSignature,
    KeyInFlight,
    KeyReused,
    MalformedEvent,
    NoSuchPackage,
    NotConfigured,
    PackageExists,
    PackageNotFound,
    PayloadTooLarge,
    RedirectNotAllowed,
    RefundRefused,
    ReplayRefused,
    ReviewError,
    StripeCreditsError,
    TablesOutOfDate,
    TooManySessions,
)
from ..logs import Log
from ..state import current_state
from ..unit_of_work import database_trouble, kind_of_trouble, outage_error
from .json_exchange import encode_json

log: Log = Log(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What an error is answered with; ``retry_after`` in seconds."""

    status: int
    code: str
    detail: str
    retry_after: int | None = None


# The first class that matches wins: leaves before their parents. Without a detail of its own the
# text of the exception is shown, which is ours.
ANSWERS: dict[type[StripeCreditsError], Answer] = {
    NoSuchPackage: Answer(404, "package_not_found", "There is no package {!r}."),
    PackageNotFound: Answer(404, "package_not_found", "There is no package {!r} for sale."),
    PackageExists: Answer(409, "package_exists", "Another package has this code already."),
    InvalidPackage: Answer(422, "validation_failed", "The package is not valid: see {}."),
    RedirectNotAllowed: Answer(422, "redirect_not_allowed", ""),
    TooManySessions: Answer(
        429, "too_many_sessions", "Too many checkouts were opened in the last hour."
    ),
    KeyReused: Answer(
        422,
        "idempotency_key_reused",
        "This Idempotency-Key was used with another request body, or in Stripe's other mode.",
    ),
    KeyInFlight: Answer(
        409, "idempotency_key_in_flight", "A request with this Idempotency-Key is in progress."
    ),
    GatewayUnavailable: Answer(
        503, "stripe_unavailable", "Stripe can't be reached right now.", RETRY_AFTER_SECONDS
    ),
    GatewayKeyRefused: Answer(
        503, "stripe_refused_key", "Payments are not available right now.", 60
    ),
    GatewayRejected: Answer(502, "stripe_rejected", "Stripe didn't accept the request."),
    InvalidFilter: Answer(422, "validation_failed", ""),
    RefundRefused: Answer(409, "refund_refused", ""),
    ReplayRefused: Answer(409, "replay_refused", ""),
    ReviewError: Answer(409, "review_refused", ""),
    InvalidSignature: Answer(400, "invalid_signature", "The signature is not valid."),
    MalformedEvent: Answer(400, "malformed_event", "The body is not an event of Stripe's."),
    PayloadTooLarge: Answer(413, "payload_too_large", "The request is too large."),
    NotConfigured: Answer(503, "not_configured", "Payments are not set up on this server.", 60),
    TablesOutOfDate: Answer(
        503, "tables_out_of_date", "Payments are not set up on this server.", 60
    ),
    FulfillmentError: Answer(
        503,
        "fulfillment_failed",
        "The credits could not be handed over yet.",
        RETRY_AFTER_SECONDS,
    ),
    DatabaseBusy: Answer(
        503, "database_busy", "The database is busy right now.", RETRY_AFTER_SECONDS
    ),
    ConfigurationError: Answer(500, "configuration_error", "This server is set up wrongly."),
}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Mapping[str, Any] | None = None,
    retry_after: int | None = None,
    stripe_request_id: str | None = None,
) -> Response:
    """Build one problem document.

    :param code: stable, for programs.
    :param detail: for people.
    :param errors: field → list of messages.
    :param retry_after: seconds.
    :param stripe_request_id: what Stripe's support asks for.
    """
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        body["errors"] = errors
    if stripe_request_id is not None:
        body["stripe_request_id"] = stripe_request_id
    response = Response(encode_json(body), status, content_type=CONTENT_TYPE)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def our_error(error: StripeCreditsError) -> Response:
    """Answer an error of ours, by the table."""
    answer = next(
        (found for kind, found in ANSWERS.items() if isinstance(error, kind)),
        Answer(500, "internal_error", "Something went wrong on this server."),
    )
    request_id = getattr(error, "request_id", None)
    if answer.status >= 500:
        cause = error if error.__cause__ is not None else None
        log.error(
            "answered_error",
            "answered %d %s: %s",
            answer.status,
            answer.code,
            error,
            error=cause,
            stripe_request_id=request_id,
        )
    retry_after = getattr(error, "retry_after_seconds", None) or answer.retry_after
    if isinstance(error, (RedirectNotAllowed, InvalidFilter)):
        return problem(422, answer.code, str(error), errors={error.field: [str(error)]})
    if isinstance(error, PackageNotFound):
        return problem(answer.status, answer.code, answer.detail.format(error.package_code))
    if isinstance(error, InvalidPackage):
        detail = answer.detail.format(", ".join(sorted(error.problems)))
        errors = {field: [text] for field, text in error.problems.items()}
        return problem(answer.status, answer.code, detail, errors=errors)
    return problem(
        answer.status,
        answer.code,
        answer.detail or str(error),
        retry_after=retry_after,
        stripe_request_id=request_id,
    )


def database_error(error: Exception) -> Response:
    """Answer what a view's own reading ran into."""
    trouble = database_trouble(error)
    if trouble is None:
        raise error
    current_state().measurements.database_failed(kind_of_trouble(trouble, error))
    return our_error(outage_error(trouble, error))


def validation_error(error: ValidationError) -> Response:
    """Answer with what is wrong with which field."""
    messages = error.messages if isinstance(error.messages, dict) else {"_": error.messages}
    fields = ", ".join(sorted(str(name) for name in messages))
    return problem(
        422, "validation_failed", f"The request is not valid: see {fields}.", errors=messages
    )


def http_error(error: Exception) -> Response:
    """Answer an error of HTTP's, also one that a view of ours or the host's hook raised."""
    status = getattr(error, "code", None) or 500
    title = HTTPStatus(status).phrase
    code = title.lower().replace(" ", "_").replace("-", "_").replace("'", "")
    detail = DETAILS.get(status, f"{title}.")
    if getattr(type(error), "ours", False):
        code, detail = error.problem_code, str(error.description)  # type: ignore[attr-defined]
    response = problem(status, code, detail)
    if isinstance(error, HTTPException):
        for name, value in error.get_headers():
            if name.lower() not in ("content-type", "content-length"):
                response.headers[name] = value
    return response


DETAILS = {
    400: "The request can't be understood.",
    401: "Sign in first.",
    403: "This is not allowed.",
    404: "There is nothing here.",
    405: "This method is not allowed here.",
    413: "The request is too large.",
    415: "Send JSON with `Content-Type: application/json`, and no `Content-Encoding`.",
    500: "Something went wrong on this server.",
}
