"""The operator's dashboard: figures, purchases and what waits for a decision."""

from __future__ import annotations

from flask import Blueprint

from ....deferred import Deferred
from .guard import add_page, is_administrator

__all__ = ["add_dashboard", "is_administrator"]

_READ, _FORM = ("GET",), ("GET", "POST")
_PAGES = tuple(
    (path, name, Deferred(__name__, view), methods)
    for path, name, view, methods in (
        ("", "", "overview:overview", _READ),
        ("/purchases.csv", "export", "export:export", _READ),
        ("/purchases/<uuid:purchase_id>/refund", "refund", "refund:refund", _FORM),
        ("/events/<event_id>/replay", "replay", "replay:replay", _FORM),
        ("/reviews", "reviews", "decisions:waiting_list", _READ),
        ("/reviews/<target>/<decision>", "decide", "decisions:decide", _FORM),
        ("/packages", "packages", "package:packages", _READ),
        ("/packages/<package_code>", "package", "package:package", _FORM),
        ("/purchases", "purchases", "purchases:purchases", _READ),
        ("/purchases/<uuid:purchase_id>", "purchase", "purchase:purchase", _READ),
    )
)


def add_dashboard(pages: Blueprint) -> None:
    """Add the dashboard's pages to the others."""
    for path, name, view, methods in _PAGES:
        add_page(pages, path, name, view, *methods)
