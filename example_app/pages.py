"""The pages: what there is to buy, what was bought, and where the payment page leads back to."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_login import current_user, login_required
from flask_wtf.csrf import CSRFError
from sqlalchemy import select
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from flask_stripe_credits.money import Money

from .credit_manager import NotEnoughCredits, balance_of, credits_from, entries_of, spend
from .extensions import credits, db
from .users import DEMO_PASSWORD, DEMO_USERS, on_sandbox

blueprint = Blueprint("pages", __name__)
blueprint.add_app_template_global(Money, "money")
blueprint.add_app_template_global(on_sandbox)

LARGEST_SPEND = 1_000_000


@blueprint.app_context_processor
def own_balance() -> dict[str, Any]:
    """Every page shows the balance of who is logged in."""
    if not current_user or not current_user.is_authenticated:
        return {}
    return {"balance": balance_of(current_user.get_id())}


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
    return render_template("home.html", users=DEMO_USERS, password=DEMO_PASSWORD)


@blueprint.get("/admin/credits")
@login_required
def packages() -> str:
    package = credits.Package
    on_sale = select(package).where(package.is_active).order_by(package.display_order)
    return render_template("packages.html", packages=db.session.scalars(on_sale).all())


@blueprint.post("/admin/credits/spend")
@login_required
def spend_credits() -> Response:
    amount = request.form.get("credits", type=int) or 0
    if not 1 <= amount <= LARGEST_SPEND:
        flash(f"Credits to spend are a whole number from 1 to {LARGEST_SPEND:,}.", "error")
        return redirect(url_for("pages.packages"))
    try:
        spend(current_user.get_id(), amount, reason="spent")
    except NotEnoughCredits as error:
        balance = f"{error.balance:,}".replace("-", "\N{MINUS SIGN}")
        flash(f"You have {balance} credits, which is less than {amount:,}.", "error")
    else:
        flash(f"You spent {amount:,} credits.")
    return redirect(url_for("pages.packages"))


@blueprint.get("/admin/credits/history")
@login_required
def history() -> str:
    purchase = credits.Purchase
    user_id = current_user.get_id()
    mine = (
        select(purchase)
        .where(purchase.user_id == user_id)
        .order_by(purchase.created_at.desc(), purchase.id)
        .limit(50)
    )
    return render_template(
        "history.html", purchases=db.session.scalars(mine).all(), entries=entries_of(user_id)
    )


@blueprint.get("/admin/credits/return")
@login_required
def returned() -> str:
    return _show_purchase(left=False)


@blueprint.get("/admin/credits/cancelled")
@login_required
def cancelled() -> str:
    return _show_purchase(left=True)


def _show_purchase(*, left: bool) -> str:
    """Show what the database knows of one of the user's own purchases, whatever the address says.

    While that isn't the end of it, the page's script asks the API, which asks Stripe.
    """
    purchase = credits.Purchase
    try:
        purchase_id = uuid.UUID(request.args.get("purchase", ""))
    except ValueError:
        abort(404)
    found = db.session.scalar(
        select(purchase).where(
            purchase.id == purchase_id, purchase.user_id == current_user.get_id()
        )
    )
    if found is None:
        abort(404)
    return render_template(
        "purchase.html", purchase=found, received=credits_from(str(found.id)), left=left
    )
