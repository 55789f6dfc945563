"""Why a purchase couldn't be started, in the buyer's words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus

from werkzeug.exceptions import BadRequest

from ...errors import (
    GatewayRejected,
    PackageChanged,
    PackageNotFound,
    TooManySessions,
)
from ...logs import Log
from .texts import plural, text

log: Log = Log(__name__)

_LATER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Refusal:
    """What to say and beside which package; nothing was bought.

    :ivar retry_after_seconds: when it may work again, None when there is no telling.
    """

    package_code: str
    message: str
    status: int
    retry_after_seconds: int | None = None


def refusal_of(error: Exception, package_code: str) -> Refusal:
    """Put ``error`` into words. What isn't the buyer's doing is logged."""
    if isinstance(error, BadRequest):
        message = text("This page was open for too long. Please press the button again.")
        return Refusal(package_code, message, HTTPStatus.BAD_REQUEST)
    if isinstance(error, PackageNotFound):
        message = text("This package is no longer for sale.")
        return Refusal(package_code, message, HTTPStatus.NOT_FOUND)
    if isinstance(error, PackageChanged):
        message = text(
            "This package has just changed. It is sold like this now: press again to buy."
        )
        return Refusal(package_code, message, HTTPStatus.CONFLICT)
    if isinstance(error, TooManySessions):
        wait = error.retry_after_seconds
        return Refusal(package_code, _wait_words(wait), HTTPStatus.TOO_MANY_REQUESTS, wait)
    log.error("shop_failed", "a checkout could not be opened from the shop: %s", error)
    message = text("The payment page can't be opened right now. Please try again in a minute.")
    rejected = isinstance(error, GatewayRejected)
    status = HTTPStatus.BAD_GATEWAY if rejected else HTTPStatus.SERVICE_UNAVAILABLE
    return Refusal(package_code, message, status, _LATER_SECONDS)


def _wait_words(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return plural(
        "You have started many purchases within an hour. You can start another in a minute.",
        "You have started many purchases within an hour. "
        "You can start another in %(minutes)s minutes.",
        minutes,
        minutes=minutes,
    )
