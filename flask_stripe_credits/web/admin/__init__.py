"""What operators do over HTTP, below ``/admin``: every route asks first who is an administrator."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from ...state import current_state
from ..administrators import require_administrator
from ..json_exchange import query_of
from ..routes import View, add_route
from . import acts, figures, packages, purchases, schemas

PREFIX = "/admin"

# Each view is called with the app's state and who acts. There is no other way in than this table.
_ROUTES: dict[str, dict[str, Callable[..., Response]]] = {
    "/purchases": {"GET": purchases.list_purchases},
    "/purchases.csv": {"GET": purchases.export_purchases},
    "/purchases/<purchase_id>": {"GET": purchases.show_purchase},
    "/purchases/<purchase_id>/refund": {"POST": acts.refund},
    "/events/<event_id>/replay": {"POST": acts.replay},
    "/reviews": {"GET": acts.list_reviews},
    "/reviews/<target>": {"POST": acts.review},
    "/packages": {"GET": packages.list_packages, "POST": packages.create},
    "/packages/<package_code>": {"PATCH": packages.update},
    "/packages/<package_code>/activate": {"POST": packages.activate},
    "/packages/<package_code>/deactivate": {"POST": packages.deactivate},
    "/figures": {"GET": figures.show_figures},
}
# These read the parameters of the address; the others have none.
_WITH_PARAMETERS = (purchases.list_purchases, purchases.export_purchases, figures.show_figures)
_no_parameters = schemas.NothingSchema()


def add_admin_routes(api: Blueprint) -> None:
    """Add the administrators' routes to the API."""
    for rule, views in _ROUTES.items():
        guarded = {method: _guarded(view) for method, view in views.items()}
        add_route(api, f"{PREFIX}{rule}", guarded, prefix="admin_")


def _guarded(view: Callable[..., Response]) -> View:
    @functools.wraps(view)
    def guarded(**values: Any) -> Response:
        state = current_state()
        actor = require_administrator(state)
        if view not in _WITH_PARAMETERS:
            query_of(_no_parameters)
        return view(state, actor, **values)

    return guarded
