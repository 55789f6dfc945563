"""Logging in and out."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response

from .users import ONLY_ON_SANDBOX, check_password, on_sandbox

blueprint = Blueprint("auth", __name__)


@blueprint.get("/login")
def login() -> str | Response:
    if current_user.is_authenticated:
        return redirect(url_for("pages.home"))
    return render_template("login.html", refused=None if on_sandbox() else ONLY_ON_SANDBOX)


@blueprint.post("/login")
def log_in() -> tuple[str, int] | Response:
    name = request.form.get("username", "")
    if not on_sandbox():
        return render_template("login.html", refused=ONLY_ON_SANDBOX, name=name), 403
    user = check_password(name, request.form.get("password", ""))
    if user is None:
        error = "This name and password don't belong together."
        return render_template("login.html", error=error, name=name), 401
    login_user(user)
    return redirect(session.pop("next", None) or url_for("stripe_credits_pages.shop"))


@blueprint.post("/logout")
def logout() -> Response:
    logout_user()
    flash("You are logged out.")
    return redirect(url_for("pages.home"))
