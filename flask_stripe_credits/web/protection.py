"""Requests that only our own pages may make a browser send.

``POST /purchase`` acts on a cookie, so it is held to more than other requests: a JSON body, an
origin of ours, and the host's CSRF token where the host has Flask-WTF.
https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

from flask import current_app, request
from werkzeug.exceptions import Forbidden

from ..config import Settings
from ..origins import origin_of
from ..redirects import is_allowed_origin


class CrossSite(Forbidden):
    """The request was made by a page of another site."""

    ours = True
    problem_code = "cross_site"
    description: str = "This request came from another site."


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
