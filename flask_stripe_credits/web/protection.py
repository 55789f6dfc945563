"""Requests that only our own pages may make a browser send.

The webhook is authenticated by its signature, so it is left out of the host's CSRF protection
and rate limits. ``POST /purchase`` acts on a cookie, so it is held to more: a JSON body, an
origin of ours, and the host's CSRF token where the host has Flask-WTF.
https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from flask import Blueprint, current_app, request
from werkzeug.exceptions import Forbidden

from ..config import Settings
from ..origins import origin_of
from ..redirects import is_allowed_origin


class CrossSite(Forbidden):
    """The request was made by a page of another site."""

    ours = True
    problem_code = "cross_site"
    description: str = "This request came from another site."


def exempt_from_host(blueprint: Blueprint, *unlimited: Callable[..., Any]) -> None:
    """Leave the blueprint out of Flask-WTF's check, and what machines ask out of Flask-Limiter's.

    Both are asked at the first request, in the one hook that Flask runs before every
    ``before_request`` function, so that the order of ``init_app`` calls doesn't matter.
    """
    known: weakref.WeakSet[Any] = weakref.WeakSet()

    @blueprint.url_value_preprocessor
    def exempt(endpoint: str | None, values: dict[str, Any] | None) -> None:
        csrf = current_app.extensions.get("csrf")
        if csrf is not None and csrf not in known:
            known.add(csrf)
            csrf.exempt(blueprint)
        for limiter in current_app.extensions.get("limiter", ()):
            if limiter not in known:
                known.add(limiter)
                for view in unlimited:
                    limiter.exempt(view)


def refuse_cross_site(settings: Settings) -> None:
    """Let only our own pages and programs through.

    A request with an ``Authorization`` header carries what no other site could add; every other
    one is checked as the work of a cookie.

    :raises CrossSite: ``Sec-Fetch-Site`` or ``Origin`` names another site.
    :raises flask_wtf.csrf.CSRFError: the host has Flask-WTF and the token is missing or wrong.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        if not _is_origin_of_ours(settings):
            raise CrossSite
    elif "Origin" in request.headers and not _is_origin_of_ours(settings):
        raise CrossSite
    csrf = current_app.extensions.get("csrf")
    if (
        csrf is not None
        and "Authorization" not in request.headers
        and current_app.config.get("WTF_CSRF_ENABLED", True)
    ):
        csrf.protect()


def _is_origin_of_ours(settings: Settings) -> bool:
    origin = request.headers.get("Origin", "")
    return origin == request.host_url.rstrip("/") or is_allowed_origin(origin_of(origin), settings)
