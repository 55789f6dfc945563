"""The app's own API beside the one of flask-stripe-credits."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask_login import current_user
from werkzeug.wrappers import Response

from .credit_manager import balance_of
from .users import ONLY_ON_SANDBOX, on_sandbox

blueprint = Blueprint("api", __name__, url_prefix="/api/v1/credits")


@blueprint.get("/balance")
def balance() -> Response:
    if not current_user.is_authenticated:
        return _unauthorized()
    user_id = current_user.get_id()
    return jsonify(user_id=user_id, balance=balance_of(user_id))


def _unauthorized() -> Response:
    detail = "Log in or send a Bearer token." if on_sandbox() else ONLY_ON_SANDBOX
    response = jsonify(
        type="about:blank",
        title="Unauthorized",
        status=401,
        detail=detail,
        code="authentication_required",
    )
    response.status_code = 401
    response.mimetype = "application/problem+json"
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
