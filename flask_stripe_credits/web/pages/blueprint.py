"""The pages' routes, and what all of them share: headers, error pages, tools for templates."""

from __future__ import annotations

from flask import Blueprint

from .assets import asset
from .dashboard import add_dashboard
from .errors import register_error_pages
from .headers import protect_answer
from .history import history, history_csv
from .purchase import purchase, purchase_state
from .receipt import receipt
from .shop import back_to_the_shop, buy, shop
from .template_tools import template_tools

NAME = "stripe_credits_pages"


def make_pages() -> Blueprint:
    """Build the pages' blueprint; one for each app, as the API's."""
    pages = Blueprint(NAME, __name__, template_folder="templates")
    for rule, view, method in (
        ("", shop, "GET"),
        ("/buy", buy, "POST"),
        ("/buy", back_to_the_shop, "GET"),
        ("/history", history, "GET"),
        ("/history.csv", history_csv, "GET"),
        ("/purchases/<purchase_id>", purchase, "GET"),
        ("/purchases/<purchase_id>/state", purchase_state, "GET"),
        ("/purchases/<purchase_id>/receipt", receipt, "GET"),
        ("/static/<path:filename>", asset, "GET"),
    ):
        pages.add_url_rule(rule, view_func=view, methods=[method], strict_slashes=False)
    add_dashboard(pages)
    pages.context_processor(template_tools)
    pages.after_request(protect_answer)
    register_error_pages(pages)
    return pages
