"""Routes that answer every method inside the blueprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

View = Callable[..., Response]


def add_route(api: Blueprint, rule: str, views: Mapping[str, View], *, prefix: str = "") -> None:
    """Add a route with a view for each method; HEAD comes with GET.

    :param prefix: of the names of the endpoints.
    """
    for method, view in views.items():
        _add(api, rule, f"{prefix}{view.__name__}", view, [method])
    first = next(iter(views.values()))
    _answer_other_methods(api, rule, f"{prefix}{first.__name__}", set(views))


def add_nothing_here(api: Blueprint) -> None:
    """Answer 404 inside the blueprint, too: Flask's own would be the host's HTML page."""
    api.add_url_rule(
        "/<path:unknown>",
        view_func=nothing_here,
        methods=METHODS,
        provide_automatic_options=False,
    )


def nothing_here(unknown: str) -> Response:
    raise NotFound


def _answer_other_methods(api: Blueprint, rule: str, name: str, own: set[str]) -> None:
    """Answer 405 inside the blueprint: Flask's own would be the host's HTML page."""
    own = own | {"HEAD"} if "GET" in own else own
    allowed = sorted(own | {"OPTIONS"})

    def method_not_allowed(**values: Any) -> Response:
        if request.method == "OPTIONS":
            return Response(status=204, headers={"Allow": ", ".join(allowed)})
        raise MethodNotAllowed(allowed)

    _add(api, rule, f"{name}_method_not_allowed", method_not_allowed, sorted(set(METHODS) - own))


def _add(api: Blueprint, rule: str, endpoint: str, view: View, methods: list[str]) -> None:
    api.add_url_rule(
        rule,
        endpoint=endpoint,
        view_func=view,
        methods=methods,
        provide_automatic_options=False,
        strict_slashes=False,
    )
