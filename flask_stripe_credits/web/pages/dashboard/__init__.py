"""The operator's dashboard: figures, purchases and what waits for a decision."""

from __future__ import annotations

import functools
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from ....deferred import Deferred

PATH = "/dashboard"

# Each view is called with who acts. There is no other way in than this table.
_READ, _FORM = ("GET",), ("GET", "POST")
_PAGES = (
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
_for_administrators = Deferred(__name__, "guard:for_administrators")


def _guarded(path: str) -> Any:
    view = Deferred(__name__, path)

    @functools.wraps(view)
    def guarded(**values: Any) -> ResponseReturnValue:
        answer: ResponseReturnValue = _for_administrators(view, values)
        return answer

    return guarded


_VIEWS = tuple((path, name, _guarded(view), methods) for path, name, view, methods in _PAGES)


def add_dashboard(pages: Blueprint) -> None:
    """Add the dashboard's pages to the others."""
    for path, name, view, methods in _VIEWS:
        pages.add_url_rule(
            PATH + path,
            endpoint=f"dashboard_{name}" if name else "dashboard",
            view_func=view,
            methods=methods,
        )
