"""The dashboard's addresses. Whoever can reach this machine's loopback may press its buttons.

No cookies and no login: a form needs the token that only the dashboard's own pages carry, so that
no other web page in the same browser can press a button.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, Flask, Response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from ...static_files import add_static
from ..acts import Acts
from ..deliveries import Courier
from ..world import World
from .buttons import Buttons
from .pages import Pages, moment

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def install(app: Flask, world: World, courier: Courier, acts: Acts) -> None:
    """Add the dashboard to the app, under ``/dashboard``."""
    token = secrets.token_urlsafe(24)
    here = Path(__file__).parent
    dashboard = Blueprint(
        "dashboard",
        __name__,
        url_prefix="/dashboard",
        template_folder=str(here / "templates"),
    )
    add_static(dashboard, here / "static", "/assets")
    pages = Pages(world, courier, token)
    _add_pages(dashboard, pages)
    _add_buttons(dashboard, Buttons(acts, world, courier, pages))

    @dashboard.before_request
    def require_token() -> tuple[str, int] | None:
        given = request.form.get("token", "")
        if request.method != "POST" or hmac.compare_digest(given.encode(), token.encode()):
            return None
        return render_template("dashboard/stale.html", here="stale"), 403

    @dashboard.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    app.register_blueprint(dashboard)
    app.add_template_filter(moment, "moment")


def _add_pages(dashboard: Blueprint, pages: Pages) -> None:
    @dashboard.get("/")
    def start() -> BaseResponse:
        return redirect("/dashboard/payments", 303)

    lists = ("payments", "sessions", "customers", "events", "deliveries", "endpoints")
    for name in lists:
        dashboard.add_url_rule(f"/{name}", name, getattr(pages, name))
    for name in ("payment", "session", "customer", "event", "endpoint"):
        dashboard.add_url_rule(f"/{name}s/<id>", name, getattr(pages, name))
    dashboard.add_url_rule("/find", "find", pages.find)
    dashboard.add_url_rule("/chaos", "chaos", pages.chaos)


def _add_buttons(dashboard: Blueprint, buttons: Buttons) -> None:
    presses: dict[str, Callable[..., BaseResponse]] = {
        "/payments/<id>/refund": buttons.refund,
        "/payments/<id>/dispute": buttons.dispute,
        "/payments/<id>/settle": buttons.settle_payment,
        "/refunds/<id>/settle": buttons.settle_refund,
        "/disputes/<id>/escalate": buttons.escalate,
        "/disputes/<id>/close": buttons.close_dispute,
        "/sessions/<id>/expire": buttons.expire,
        "/events/<id>/resend": buttons.resend,
        "/endpoints/<id>/rotate": buttons.rotate,
        "/chaos": buttons.set_chaos,
    }
    for path, press in presses.items():
        dashboard.add_url_rule(path, press.__name__, press, methods=["POST"])
