"""The pages' routes, and what all of them share: headers, error pages, tools for templates."""

from __future__ import annotations

from flask import Blueprint

from .assets import serve_asset
from .errors import register_error_pages
from .headers import protect_answer
from .shop import shop
from .template_tools import template_tools

NAME = "stripe_credits_pages"


def make_pages() -> Blueprint:
    """Build the pages' blueprint; one for each app, as the API's."""
    pages = Blueprint(NAME, __name__, template_folder="templates")
    pages.add_url_rule("", view_func=shop, endpoint="shop", methods=["GET"], strict_slashes=False)
    pages.add_url_rule("/static/<path:filename>", view_func=serve_asset, endpoint="asset")
    pages.context_processor(template_tools)
    pages.after_request(protect_answer)
    register_error_pages(pages)
    return pages
