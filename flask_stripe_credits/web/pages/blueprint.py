"""The pages' routes, and what all of them share: headers, error pages, tools for templates.

What serves them is imported at their first request.
"""

from __future__ import annotations

from flask import Blueprint
from werkzeug.exceptions import default_exceptions

from ...deferred import Deferred
from ...errors import StripeCreditsError
from .dashboard import add_dashboard

NAME = "stripe_credits_pages"

_ROUTES = tuple(
    (rule, method, Deferred(__package__, view))
    for rule, method, view in (
        ("", "GET", "shop:shop"),
        ("/buy", "POST", "shop:buy"),
        ("/buy", "GET", "shop:back_to_the_shop"),
        ("/history", "GET", "history:history"),
        ("/history.csv", "GET", "history:history_csv"),
        ("/purchases/<purchase_id>", "GET", "purchase:purchase"),
        ("/purchases/<purchase_id>/state", "GET", "purchase:purchase_state"),
        ("/purchases/<purchase_id>/receipt", "GET", "receipt:receipt"),
        ("/static/<filename>", "GET", "assets:asset"),
    )
)
_our_error = Deferred(__package__, "errors:our_error")
_http_error = Deferred(__package__, "errors:http_error")
_template_tools = Deferred(__package__, "template_tools:template_tools")
_protect_answer = Deferred(__package__, "headers:protect_answer")


def make_pages() -> Blueprint:
    """Build the pages' blueprint; one for each app, as the API's."""
    pages = Blueprint(NAME, __name__, template_folder="templates")
    for rule, method, view in _ROUTES:
        pages.add_url_rule(rule, view_func=view, methods=[method], strict_slashes=False)
    add_dashboard(pages)
    pages.context_processor(_template_tools)
    pages.after_request(_protect_answer)
    pages.register_error_handler(StripeCreditsError, _our_error)
    for status in default_exceptions:
        pages.register_error_handler(status, _http_error)
    return pages
