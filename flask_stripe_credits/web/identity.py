"""Who is asking: the host decides, we only insist on an id that can be stored."""

from __future__ import annotations

import uuid

from flask import current_app
from werkzeug.exceptions import Unauthorized

from ..state import AppState
from ..tables import LONGEST_USER_ID

_TOO_LARGE = 10**LONGEST_USER_ID


def current_user_id(state: AppState) -> str:
    """Return the id of the signed-in user, 1 to 255 characters.

    Asks ``@credits.user_id_loader``, else Flask-Login when the app has a login manager.

    :raises werkzeug.exceptions.Unauthorized: when nobody is signed in or the id can't be one.
    """
    loader = state.callbacks.user_id_loader
    found = _usable(loader() if loader is not None else _from_flask_login())
    if found is None:
        raise Unauthorized("sign in first")
    return found


def _from_flask_login() -> object:
    if not hasattr(current_app, "login_manager"):
        return None
    from flask_login import current_user

    return current_user.get_id() if current_user.is_authenticated else None


def _usable(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, uuid.UUID)):
        return None
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        # Python refuses to write out a number of thousands of digits.
        return None
    text = str(value)
    if not 1 <= len(text) <= LONGEST_USER_ID or "\0" in text or not text.strip():
        return None
    # A lone surrogate fits no database.
    return text if text.isprintable() or _encodable(text) else None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
