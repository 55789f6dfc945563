"""Who looks at a page. Whoever isn't signed in is sent where the host signs people in."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Response, abort, current_app, make_response, render_template, request
from werkzeug.exceptions import Unauthorized

from ...state import current_state
from ..identity import current_user_id


def visitor(*, sent_back: bool = False) -> str:
    """Return the signed-in user's id.

    Ends the request otherwise: with Flask-Login's ``unauthorized()`` where the app has it, else
    with our page that asks to sign in (401).

    :param sent_back: whether Stripe sends buyers here.
    """
    try:
        return current_user_id(current_state())
    except Unauthorized:
        if sent_back and _another_site_led_here():
            abort(_the_same_from_here())
        login_manager: Any = getattr(current_app, "login_manager", None)
        if login_manager is None:
            raise
        abort(current_app.make_response(login_manager.unauthorized()))


def _another_site_led_here() -> bool:
    headers = request.headers
    return (
        headers.get("Sec-Fetch-Site") == "cross-site"
        and headers.get("Sec-Fetch-Mode") == "navigate"
    )


def _the_same_from_here() -> Response:
    """A page of ours that leads to the same address.

    A browser keeps a cookie with ``SameSite=Strict`` from what another site causes, the way back
    from the payment page too, but not from what this page does. It leads here once: then it isn't
    another site any more.
    """
    # The whole path that the browser knows: the app may be mounted below another one.
    address = quote(request.script_root + request.path)
    if request.query_string:
        address += "?" + request.query_string.decode("latin-1")
    return make_response(render_template("flask_stripe_credits/again.html", address=address))
