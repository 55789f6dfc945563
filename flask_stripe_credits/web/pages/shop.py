"""The shop: what there is to buy, and the way to Stripe's payment page."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException, Unauthorized
from werkzeug.wrappers import Response as BaseResponse

from ...balances import balance_of
from ...catalog import active_packages
from ...checkout import CheckoutRequest, Offer, open_checkout
from ...errors import StripeCreditsError
from ...reading import reading
from ...state import AppState, current_state
from ..identity import current_user_id
from . import form_tokens
from .headers import is_form_target
from .offers import cards_of
from .refusals import Refusal, refusal_of
from .return_addresses import return_addresses
from .visitors import visitor


def shop() -> Response:
    """The packages that are for sale. Signed-in users only, unless the packages are public."""
    return shop_page()


def shop_page(refusal: Refusal | None = None) -> Response:
    """The shop, with what came of the button that was just pressed."""
    state = current_state()
    user_id = _buyer(state)
    with reading(state) as connection:
        packages = active_packages(connection, state.models)
    page = render_template(
        "flask_stripe_credits/shop.html",
        cards=cards_of(packages),
        balance=None if user_id is None else balance_of(state, user_id),
        is_signed_in=user_id is not None,
        refusal=refusal,
    )
    answer = make_response(page, 200 if refusal is None else refusal.status)
    if refusal is not None and refusal.retry_after_seconds is not None:
        answer.headers["Retry-After"] = str(refusal.retry_after_seconds)
    return answer


def _buyer(state: AppState) -> str | None:
    if not state.settings.public_packages:
        return visitor()
    try:
        return current_user_id(state)
    except Unauthorized:
        return None


def buy() -> BaseResponse:
    """Send the buyer to Stripe's payment page; if that can't be, say why beside the button."""
    user_id = visitor()
    try:
        form_tokens.check_token()
    except form_tokens.FormTooOld as error:
        return shop_page(refusal_of(error, _package_code()))
    state = current_state()
    try:
        success_url, cancel_url = return_addresses(state.settings)
        wanted = CheckoutRequest(
            user_id, _package_code(), success_url, cancel_url, shown=_shown_offer()
        )
        opened = open_checkout(state, wanted)
    except StripeCreditsError as error:
        return shop_page(refusal_of(error, _package_code()))
    checkout_url = opened.purchase.checkout_url or url_for("stripe_credits_pages.shop")
    if is_form_target(checkout_url, state.settings):
        return redirect(checkout_url, 303)
    # A browser that knows our policy would stop the redirect here; a link it follows.
    page = render_template("flask_stripe_credits/continue.html", checkout_url=checkout_url)
    return make_response(page)


def back_to_the_shop() -> BaseResponse:
    """Where somebody comes back to who had to sign in before buying."""
    visitor()
    return redirect(url_for("stripe_credits_pages.shop"), 303)


def too_old(error: Exception) -> BaseResponse:
    """The host's Flask-WTF refused the button's form before our view was asked."""
    try:
        return shop_page(refusal_of(error, _package_code()))
    except HTTPException as signed_out:
        return signed_out.get_response()


def _package_code() -> str:
    return request.form.get("package_code", "")


def _shown_offer() -> Offer:
    """What the form says that its buyer saw. Only compared, never charged."""

    def whole(field: str) -> int:
        digits = request.form.get(field, "")
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else -1

    return Offer(whole("credits"), whole("unit_amount"), request.form.get("currency", ""))
