"""The sandbox's Flask app: Stripe's API, the payment page and the dashboard."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from .acts import Acts
from .api import dispatch
from .cards import TEST_CARDS
from .dashboard import views as dashboard
from .deliveries import Courier
from .endpoints import is_loopback
from .errors import ApiError, invalid
from .faults import Faults, FaultyConnection
from .forms import LARGEST_BODY
from .page import views
from .world import Cause, World


def build(world: World, courier: Courier, faults: Faults, acts: Acts) -> Flask:
    """Return the app of one sandbox.

    :param acts: what the dashboard's buttons do.
    """
    app = Flask(__name__, template_folder="page/templates", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY

    def world_for(cause: Cause) -> World:
        return replace(world, cause=cause, url=request.host_url.rstrip("/"))

    @app.before_request
    def refuse_foreign_hosts() -> tuple[str, int] | None:
        # A web page elsewhere may make its own name point to this machine, but can't change what
        # its requests call the host.
        with suppress(ValueError):
            if is_loopback(urlsplit(f"//{request.host}").hostname):
                return None
        return "The sandbox only answers on this machine's own names, such as localhost.\n", 403

    @app.get("/")
    def home() -> str:
        return render_template("home.html", cards=TEST_CARDS)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response | HTTPException | tuple[str, int]:
        if request.path.startswith("/v1/"):
            return dispatch.error_response(_as_api_error(error))
        if error.code == 404:
            return render_template("gone.html", state="unknown", link=None), 404
        return error

    dispatch.install(app, world_for, faults)
    views.install(app, world_for, courier)
    dashboard.install(app, world, courier, acts)
    faulty = FaultyConnection(app.wsgi_app, faults, courier.deliver_early)
    app.wsgi_app = faulty  # type: ignore[method-assign]
    return app


def _as_api_error(error: HTTPException) -> ApiError:
    if error.code in (404, 405):
        return dispatch.unrecognized(request.method, request.path)
    if error.code == 413:
        return invalid(f"Request bodies can be at most {LARGEST_BODY} bytes.", status=413)
    if error.code is not None and error.code < 500:
        return invalid("Invalid request.", status=error.code)
    return ApiError(500, "api_error", "An error inside the sandbox; its log says more.")
