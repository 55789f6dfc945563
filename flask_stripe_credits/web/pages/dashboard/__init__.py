"""The operator's dashboard: figures, purchases and what waits for a decision."""

from __future__ import annotations

from flask import Blueprint

from .decisions import decide, waiting_list
from .export import export
from .guard import add_page, is_administrator
from .overview import overview
from .package import package, packages
from .purchase import purchase
from .purchases import purchases
from .refund import refund
from .replay import replay

__all__ = ["add_dashboard", "is_administrator"]


def add_dashboard(pages: Blueprint) -> None:
    """Add the dashboard's pages to the others."""
    add_page(pages, "", "", overview)
    add_page(pages, "/purchases.csv", "export", export)
    add_page(pages, "/purchases/<uuid:purchase_id>/refund", "refund", refund, "GET", "POST")
    add_page(pages, "/events/<event_id>/replay", "replay", replay, "GET", "POST")
    add_page(pages, "/reviews", "reviews", waiting_list)
    add_page(pages, "/reviews/<target>/<decision>", "decide", decide, "GET", "POST")
    add_page(pages, "/packages", "packages", packages)
    add_page(pages, "/packages/<package_code>", "package", package, "GET", "POST")
    add_page(pages, "/purchases", "purchases", purchases)
    add_page(pages, "/purchases/<uuid:purchase_id>", "purchase", purchase)
