"""Tokens that only our own forms carry: the host's Flask-WTF's, else ones of our own.

https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import current_app, g, request, session
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.exceptions import BadRequest

from ...errors import ConfigurationError
from ...state import current_state
from ..identity import current_user_id
from ..protection import refuse_cross_site

_NONCE = "_stripe_credits_form"
_SALT = "flask-stripe-credits form"


class FormTooOld(BadRequest):
    """The form's token is missing, or of another session or user."""

    description: str = "The page was too old."


def token_field() -> str:
    """The name of the hidden field."""
    if _flask_wtf() is None:
        return "csrf_token"
    return str(current_app.config["WTF_CSRF_FIELD_NAME"])


def make_token() -> str:
    """A token for the forms of this session and user. May set the session's cookie."""
    if _flask_wtf() is not None:
        from flask_wtf.csrf import generate_csrf

        return str(generate_csrf())
    serializer = _serializer()
    if _NONCE not in session:
        session[_NONCE] = secrets.token_urlsafe(16)
    return str(serializer.dumps([session[_NONCE], current_user_id(current_state())]))


def check_token() -> None:
    """Let through only what one of our own forms has sent, from this session and user.

    :raises FormTooOld: the token is missing or wrong.
    :raises CrossSite: another site sent it.
    :raises flask_wtf.csrf.CSRFError: as Flask-WTF finds, where the host has it.
    """
    refuse_cross_site(current_state().settings)
    csrf = _flask_wtf()
    if csrf is not None:
        if not g.get("csrf_valid", False):
            csrf.protect()
        return
    try:
        found = _serializer().loads(request.form.get(token_field(), ""))
    except BadSignature:
        raise FormTooOld from None
    if found != [session.get(_NONCE), current_user_id(current_state())]:
        raise FormTooOld


def _flask_wtf() -> Any:
    """The host's CSRFProtect, None where there is none or the host has switched it off."""
    csrf = current_app.extensions.get("csrf")
    return csrf if csrf is not None and current_app.config.get("WTF_CSRF_ENABLED", True) else None


def _serializer() -> URLSafeSerializer:
    if not current_app.secret_key:
        raise ConfigurationError("the pages' forms need the app's SECRET_KEY, which isn't set")
    older = current_app.config.get("SECRET_KEY_FALLBACKS") or []
    return URLSafeSerializer([*older, current_app.secret_key], salt=_SALT)
