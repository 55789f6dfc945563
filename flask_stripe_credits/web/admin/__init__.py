"""What operators do over HTTP, below ``/admin``: every route asks first who is an administrator."""

from __future__ import annotations

import functools
from typing import Any

from flask import Blueprint, Response

from ...deferred import Deferred
from ..routes import View, add_route

PREFIX = "/admin"

# Each view is called with the app's state and who acts. There is no other way in than this table.
_ROUTES = {
    "/purchases": {"GET": "purchases:list_purchases"},
    "/purchases.csv": {"GET": "purchases:export_purchases"},
    "/purchases/<purchase_id>": {"GET": "purchases:show_purchase"},
    "/purchases/<purchase_id>/refund": {"POST": "acts:refund"},
    "/events/<event_id>/replay": {"POST": "acts:replay"},
    "/reviews": {"GET": "acts:list_reviews"},
    "/reviews/<target>": {"POST": "acts:review"},
    "/packages": {"GET": "packages:list_packages", "POST": "packages:create"},
    "/packages/<package_code>": {"PATCH": "packages:update"},
    "/packages/<package_code>/activate": {"POST": "packages:activate"},
    "/packages/<package_code>/deactivate": {"POST": "packages:deactivate"},
    "/figures": {"GET": "figures:show_figures"},
}
# These read the parameters of the address; the others have none.
_WITH_PARAMETERS = (
    "purchases:list_purchases",
    "purchases:export_purchases",
    "figures:show_figures",
)
_for_administrators = Deferred(__name__, "guard:for_administrators")


def _guarded(path: str) -> View:
    view = Deferred(__name__, path)
    has_parameters = path in _WITH_PARAMETERS

    @functools.wraps(view)
    def guarded(**values: Any) -> Response:
        answer: Response = _for_administrators(view, values, has_parameters=has_parameters)
        return answer

    return guarded


_VIEWS = {
    rule: {method: _guarded(view) for method, view in views.items()}
    for rule, views in _ROUTES.items()
}


def add_admin_routes(api: Blueprint) -> None:
    """Add the administrators' routes to the API."""
    for rule, views in _VIEWS.items():
        add_route(api, f"{PREFIX}{rule}", views, prefix="admin_")
