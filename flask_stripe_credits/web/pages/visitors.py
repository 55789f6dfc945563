"""Who looks at a page. Whoever isn't signed in is sent where the host signs people in."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app
from werkzeug.exceptions import Unauthorized

from ...state import current_state
from ..identity import current_user_id


def visitor() -> str:
    """Return the signed-in user's id.

    Ends the request otherwise: with Flask-Login's ``unauthorized()`` where the app has it, else
    with our page that asks to sign in (401).
    """
    try:
        return current_user_id(current_state())
    except Unauthorized:
        login_manager: Any = getattr(current_app, "login_manager", None)
        if login_manager is None:
            raise
        abort(current_app.make_response(login_manager.unauthorized()))
