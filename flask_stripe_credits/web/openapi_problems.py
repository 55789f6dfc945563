"""The problem documents of the OpenAPI document: which code has which status, and one of each."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from . import administrators, problems, protection

DESCRIPTIONS = {
    400: "The request can't be understood.",
    401: "Nobody is signed in.",
    403: "The request came from another site, or its user is no administrator.",
    404: "There is no such thing, or it is somebody else's.",
    409: "It can't be done as things are, or is just being done: see `code`.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A field or parameter is not valid, or the `Idempotency-Key` was used with another body.",
    429: "Too many checkouts in the last hour. See `Retry-After`.",
    500: "This server is set up wrongly.",
    502: "Stripe didn't accept the request.",
    503: "Try again later. See `Retry-After`.",
}
# What every route may come to that reads the database.
DATABASE = ("tables_out_of_date", "database_busy")
# What every request with a JSON body may come to, before anything is done.
BODY = (
    *("bad_request", "cross_site", "payload_too_large", "unsupported_media_type"),
    "validation_failed",
)

_WITHOUT_EXCEPTION = {
    "bad_request": 400,
    "unauthorized": 401,
    "not_found": 404,
    "unsupported_media_type": 415,
    "validation_failed": 422,
}
# Where an answer tells what exactly is wrong: one case of it.
_CASES = {
    "redirect_not_allowed": ("success_url", "success_url: this address is not allowed"),
    "validation_failed": ("package_code", "Missing data for required field."),
    "refund_refused": (None, "all of $10.00 went back already"),
    "replay_refused": (None, "Stripe doesn't know this event: it keeps them for 30 days"),
    "review_refused": (None, "nothing waits for a decision under this id"),
}
_RETRIED = {"idempotency_key_in_flight"}


def status_of(code: str) -> int:
    """Return the HTTP status that goes with ``code``."""
    return _known()[code][0]


def examples() -> dict[str, dict[str, Any]]:
    """Return a problem document for each code, which :func:`refer_to` refers to."""
    return {code: {"value": _example(code)} for code in _known()}


def refer_to(codes: Iterable[str]) -> dict[str, Any]:
    """Refer to the problem documents of ``codes``."""
    return {code: {"$ref": f"#/components/examples/{code}"} for code in codes}


def tells_when_to_retry(codes: Iterable[str]) -> bool:
    """Whether an answer with one of ``codes`` may carry ``Retry-After``."""
    return any(status_of(code) in (429, 503) or code in _RETRIED for code in codes)


def _known() -> dict[str, tuple[int, str]]:
    known = {
        code: (status, problems.DETAILS.get(status, ""))
        for code, status in _WITHOUT_EXCEPTION.items()
    }
    for error in (protection.CrossSite, administrators.NotAdministrator):
        known[error.problem_code] = (error.code, str(error.description))
    for answer in reversed(problems.ANSWERS.values()):
        if answer.code not in _WITHOUT_EXCEPTION:
            known[answer.code] = (answer.status, answer.detail)
    return known


def _example(code: str) -> dict[str, Any]:
    status, detail = _known()[code]
    field, case = _CASES.get(code, (None, None))
    phrase = HTTPStatus(status).phrase
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": case or detail or f"{phrase}.",
        "code": code,
    }
    if field is not None:
        document["errors"] = {field: [case]}
    return document
