"""The API's routes. What serves them is imported at their first request."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, Response
from marshmallow import ValidationError
from werkzeug.exceptions import default_exceptions

from ..deferred import Deferred
from ..errors import StripeCreditsError
from .admin import add_admin_routes
from .exemptions import exempt_from_host
from .routes import add_all_else, add_route

_ROUTES = tuple(
    (rule, method, Deferred(__package__, view))
    for rule, method, view in (
        ("/packages", "GET", "api:packages"),
        ("/purchase", "POST", "api:purchase"),
        ("/history", "GET", "api:history"),
        ("/purchases/<purchase_id>", "GET", "api:purchase_detail"),
        ("/openapi.json", "GET", "api:openapi"),
    )
)
# What machines ask: no limit of the host's holds for them.
_MACHINE_ROUTES = tuple(
    (rule, method, Deferred(__package__, view))
    for rule, method, view in (
        ("/webhook", "POST", "webhook:webhook"),
        ("/health", "GET", "monitoring:health"),
        ("/health/live", "GET", "monitoring:health_live"),
        ("/metrics", "GET", "monitoring:metrics"),
    )
)
_our_error = Deferred(__package__, "problems:our_error")
_validation_error = Deferred(__package__, "problems:validation_error")
_database_error = Deferred(__package__, "problems:database_error")
_http_error = Deferred(__package__, "problems:http_error")


def make_blueprint() -> Blueprint:
    """Build the API's blueprint; one for each app, since the host's extensions remember it."""
    api = Blueprint("stripe_credits", __name__)
    for rule, method, view in (*_ROUTES, *_MACHINE_ROUTES):
        add_route(api, rule, {method: view})
    add_admin_routes(api)
    add_all_else(api)
    api.after_request(_protect_answer)
    _register_problems(api)
    exempt_from_host(api, *(view for _, _, view in _MACHINE_ROUTES))
    return api


def _register_problems(api: Blueprint) -> None:
    """Answer every error of our views with a problem document."""
    api.register_error_handler(StripeCreditsError, _our_error)
    api.register_error_handler(ValidationError, _validation_error)
    for database_error in (sa.exc.DBAPIError, sa.exc.TimeoutError):
        api.register_error_handler(database_error, _database_error)
    # By code as well, since a host's handler for a code would go before ours for the class.
    for status in default_exceptions:
        api.register_error_handler(status, _http_error)


def _protect_answer(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
