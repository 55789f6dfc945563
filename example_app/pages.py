"""The app's own pages: what its users have, and spending it. The shop isn't among them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import current_user, login_required
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from .credit_manager import NotEnoughCredits, balance_of, entries_of, spend
from .users import DEMO_PASSWORD, DEMO_USERS, on_sandbox

blueprint = Blueprint("pages", __name__)
blueprint.add_app_template_global(on_sandbox)

LARGEST_SPEND = 1_000_000


@blueprint.app_errorhandler(404)
def not_found(error: NotFound) -> tuple[str, int]:
    detail = "There is nothing at this address, or it isn't yours."
    return render_template("error.html", title="Not found", detail=detail), 404


@blueprint.app_errorhandler(CSRFError)
def form_too_old(error: CSRFError) -> tuple[str, int]:
    detail = "The page was too old, so nothing was done. Go back, reload it and try again."
    return render_template("error.html", title="Please try again", detail=detail), 400


@blueprint.get("/")
def home() -> str:
    if not current_user.is_authenticated:
        return render_template("welcome.html", users=DEMO_USERS, password=DEMO_PASSWORD)
    user_id = current_user.get_id()
    mine: dict[str, Any] = {"balance": balance_of(user_id), "entries": entries_of(user_id)}
    return render_template("home.html", **mine)


@blueprint.post("/spend")
@login_required
def spend_credits() -> Response:
    amount = request.form.get("credits", type=int) or 0
    if not 1 <= amount <= LARGEST_SPEND:
        flash(f"Credits to spend are a whole number from 1 to {LARGEST_SPEND:,}.", "error")
        return redirect(url_for("pages.home"))
    try:
        spend(current_user.get_id(), amount, reason="spent")
    except NotEnoughCredits as error:
        balance = f"{error.balance:,}".replace("-", "\N{MINUS SIGN}")
        flash(f"You have {balance} credits, which is less than {amount:,}.", "error")
    else:
        flash(f"You spent {amount:,} credits.")
    return redirect(url_for("pages.home"))
