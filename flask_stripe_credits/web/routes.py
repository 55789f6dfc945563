"""Routes of the API, and what answers inside its blueprint whatever is none.

Each rule takes time at every start, so there is one for each view, and one for all else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

View = Callable[..., Response]


def add_route(api: Blueprint, rule: str, views: Mapping[str, View], *, prefix: str = "") -> None:
    """Add a route with a view for each method; HEAD comes with GET.

    :param prefix: of the names of the endpoints.
    """
    for method, view in views.items():
        _add(api, rule, f"{prefix}{view.__name__}", view, [method])


def add_all_else(api: Blueprint) -> None:
    """Answer 404 and 405 inside the blueprint: Flask's own would be the host's HTML page."""
    _add(api, "/<path:unknown>", all_else.__name__, all_else, METHODS)


def all_else(unknown: str) -> Response:
    """Werkzeug comes here for an address of ours, too, when its method is another one."""
    own = _methods_here()
    if not own:
        raise NotFound
    allowed = sorted(own | {"OPTIONS"})
    if request.method == "OPTIONS":
        return Response(status=204, headers={"Allow": ", ".join(allowed)})
    raise MethodNotAllowed(allowed)


def _methods_here() -> set[str]:
    """The methods with which the address of this request is a route."""
    adapter = current_app.create_url_adapter(request)
    found = set()
    for method in METHODS:
        # A host's own rule for the address may redirect.
        with contextlib.suppress(HTTPException):
            if adapter is not None and adapter.match(method=method)[0] != request.endpoint:
                found.add(method)
    return found


def _add(
    api: Blueprint, rule: str, endpoint: str, view: View, methods: list[str] | tuple[str, ...]
) -> None:
    api.add_url_rule(
        rule,
        endpoint=endpoint,
        view_func=view,
        methods=methods,
        provide_automatic_options=False,
        strict_slashes=False,
    )
