"""Errors as pages, in words for buyers. What went wrong inside is for the log alone."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, make_response, render_template, request
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.wrappers import Response as BaseResponse

from ...errors import DatabaseBusy, StripeCreditsError, TablesOutOfDate
from ...logs import Log
from .shop import too_old
from .texts import text

log: Log = Log(__name__)


def error_page(status: int) -> Response:
    """The page for an HTTP status."""
    return page_of_words(status, *_words(status))


def page_of_words(status: int, title: str, detail: str) -> Response:
    """A page that says one thing."""
    template = "sign_in" if status == HTTPStatus.UNAUTHORIZED else "error"
    page = render_template(f"flask_stripe_credits/{template}.html", title=title, detail=detail)
    return make_response(page, status)


def our_error(error: StripeCreditsError) -> Response:
    """The page for an error of ours."""
    log.error("page_failed", "a page could not be shown: %s", error, error=error)
    busy = isinstance(error, (DatabaseBusy, TablesOutOfDate))
    return error_page(503 if busy else 500)


def http_error(error: Exception) -> BaseResponse:
    """The page for an error of HTTP's."""
    if isinstance(error, BadRequest) and request.endpoint == "stripe_credits_pages.buy":
        return too_old(error)
    status = getattr(error, "code", None) or 500
    page = error_page(status)
    if isinstance(error, HTTPException):
        for name, value in error.get_headers():
            if name.lower() not in ("content-type", "content-length"):
                page.headers[name] = value
    return page


def _words(status: int) -> tuple[str, str]:
    if status == HTTPStatus.BAD_REQUEST:
        return text("Please try again"), text(
            "The page was open for too long, so nothing was done. Go back, reload it and try again."
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return text("Please sign in"), text("Sign in to see your credits and purchases.")
    if status == HTTPStatus.FORBIDDEN:
        return text("Not allowed"), text("You may not see or do this.")
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return text("Not found"), text("There is nothing at this address, or it isn't yours.")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return text("Just a moment"), text(
            "This page can't be shown right now. Please try again in a minute."
        )
    return text("Something went wrong"), text(
        "That is our fault, and it has been written down. Please try again later."
    )
