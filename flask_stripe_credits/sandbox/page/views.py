"""The pages that a buyer sees: the card form, 3-D Secure, and what became of a session."""

from __future__ import annotations

import datetime as dt
import hmac
import re
from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, Flask, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from ...money import Money
from ...static_files import add_static
from .. import methods, payments, sessions
from ..bank_accounts import TEST_ACCOUNTS
from ..cards import DECLINES, TEST_CARDS
from ..deliveries import Courier
from ..errors import ApiError
from ..params import is_web_address
from ..payments import NotOpen, Outcome
from ..store import Json
from ..world import Cause, World
from .pay_form import PayForm

# Stripe's page waits so long for the merchant's answer before it sends the buyer back.
_LONGEST_WAIT_SECONDS = 10.0
# Chromium holds a form's redirects to form-action too, and where the merchant sends the buyer on
# to is the merchant's business.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'none'"
)
_VERBS = {"book": "Book", "donate": "Donate", "subscribe": "Subscribe"}

WorldFor = Callable[[Cause], World]


def install(app: Flask, world_for: WorldFor, courier: Courier) -> None:
    """Add the pages and their style sheet to the app."""
    pages = Blueprint("pages", __name__)
    add_static(pages, Path(__file__).parent / "static", "/assets")
    till = _Till(world_for, courier)
    pages.add_url_rule("/c/pay/<id>", view_func=till.show, methods=["GET"], endpoint="pay")
    pages.add_url_rule("/c/pay/<id>", view_func=till.pay, methods=["POST"], endpoint="submit")
    pages.add_url_rule(
        "/c/pay/<id>/authenticate", view_func=till.ask, methods=["GET"], endpoint="authenticate"
    )
    pages.add_url_rule(
        "/c/pay/<id>/authenticate", view_func=till.answer, methods=["POST"], endpoint="answer"
    )
    pages.add_url_rule("/receipts/<id>", view_func=till.receipt, methods=["GET"])
    app.register_blueprint(pages)
    app.add_template_filter(lambda amount, currency: str(Money(amount, currency)), "money")

    @app.after_request
    def protect(response: Response) -> Response:
        if not request.path.startswith("/v1/"):
            response.headers.setdefault("Content-Security-Policy", _POLICY)
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Content-Type-Options"] = "nosniff"
            if not request.path.startswith("/assets/"):
                response.headers["Cache-Control"] = "no-store"
        return response


class _Till:
    """The views, with what they need."""

    def __init__(self, world_for: WorldFor, courier: Courier) -> None:
        self._world_for = world_for
        self._courier = courier

    @property
    def _world(self) -> World:
        return self._world_for(Cause())

    def show(self, id: str) -> BaseResponse:
        session, closed = self._open(id)
        return closed or self._form(session, PayForm())

    def pay(self, id: str) -> BaseResponse:
        session, closed = self._open(id)
        if closed is not None:
            return closed
        email = self._fixed_email(session)
        now = self._world.clock.time()
        form = PayForm.read(request.form, email=email, types=_choices(session), now=now)
        if not self._token_fits(session):
            return self._form(session, form, notice="This page was out of date. Please try again.")
        if form.errors:
            return self._form(session, form, status=422)
        try:
            method = methods.create(self._world, form.method_params()) if form.chosen else None
            outcome = payments.confirm(self._world, id, method)
        except NotOpen as refusal:
            return _closed_page(refusal.session)
        if outcome.result == "requires_action":
            return redirect(f"/c/pay/{id}/authenticate", 303)
        return self._after(outcome, form)

    def ask(self, id: str) -> BaseResponse:
        session, closed = self._open(id)
        if closed is not None:
            return closed
        if payments.waiting_intent(self._world, session) is None:
            return redirect(f"/c/pay/{id}", 303)
        return self._page("authenticate.html", session)

    def answer(self, id: str) -> BaseResponse:
        session, closed = self._open(id)
        if closed is not None:
            return closed
        waiting = payments.waiting_intent(self._world, session)
        decision = request.form.get("decision")
        if waiting is None or decision not in ("complete", "fail") or not self._token_fits(session):
            return redirect(f"/c/pay/{id}/authenticate", 303)
        form = self._entered_before(waiting)
        try:
            outcome = payments.authenticate(self._world, id, passed=decision == "complete")
        except NotOpen as refusal:
            return _closed_page(refusal.session)
        return self._after(outcome, form)

    def receipt(self, id: str) -> BaseResponse:
        charge = self._world.store.get("charge", id)
        if charge is None or charge["receipt_url"] is None:
            page = render_template("gone.html", state="unknown", link=None)
            return make_response(page, 404)
        paid_at = dt.datetime.fromtimestamp(charge["created"], dt.UTC)
        return make_response(render_template("receipt.html", charge=charge, paid_at=paid_at))

    def _after(self, outcome: Outcome, form: PayForm) -> BaseResponse:
        if outcome.error is not None:
            return self._form(outcome.session, form, notice=_declined(outcome, form), status=402)
        event = outcome.completed_event
        if event is not None:
            self._courier.wait_for_first_attempts(event, _LONGEST_WAIT_SECONDS)
        return redirect(_success_url(outcome.session), 303)

    def _open(self, id: str) -> tuple[Json, BaseResponse | None]:
        try:
            session = sessions.get(self._world, id)
        except ApiError:
            page = render_template("gone.html", state="unknown", link=None)
            return {}, make_response(page, 404)
        return session, None if session["status"] == "open" else _closed_page(session)

    def _token_fits(self, session: Json) -> bool:
        expected = self._world.store.hidden(session["id"])["form_token"]
        given = request.form.get("token", "")
        return hmac.compare_digest(expected.encode(), given.encode())

    def _fixed_email(self, session: Json) -> str | None:
        customer = self._world.store.get("customer", session["customer"] or "") or {}
        return session["customer_email"] or customer.get("email")

    def _entered_before(self, intent: Json) -> PayForm:
        method = self._world.store.get("payment_method", intent["payment_method"]) or {}
        billing = method["billing_details"]
        return PayForm(
            chosen="card",
            email=billing["email"] or "",
            name=billing["name"] or "",
            zip=billing["address"]["postal_code"] or "",
        )

    def _form(
        self, session: Json, form: PayForm, *, notice: str | None = None, status: int = 200
    ) -> BaseResponse:
        total = Money(session["amount_total"], session["currency"])
        verb = _VERBS.get(session["submit_type"] or "", "Pay")
        return self._page(
            "pay.html",
            session,
            status,
            form=form,
            notice=notice,
            fixed_email=self._fixed_email(session),
            choices=_choices(session),
            button=f"{verb} {total}" if total.amount else "Complete order",
            cards=TEST_CARDS,
            accounts=TEST_ACCOUNTS,
        )

    def _page(self, template: str, session: Json, status: int = 200, **shown: object) -> Response:
        cancel_url = session["cancel_url"]
        page = render_template(
            template,
            session=session,
            merchant=(session["branding_settings"] or {}).get("display_name") or "Demo merchant",
            items=sessions.line_items(self._world, session["id"]),
            products=self._products(session),
            cancel_url=cancel_url if cancel_url and is_web_address(cancel_url) else None,
            token=self._world.store.hidden(session["id"])["form_token"],
            **shown,
        )
        return make_response(page, status)

    def _products(self, session: Json) -> dict[str, Json]:
        items = sessions.line_items(self._world, session["id"])
        ids = {item["price"]["product"] for item in items}
        return {id: self._world.store.get("product", id) or {} for id in ids}


def _choices(session: Json) -> list[str]:
    return session["payment_method_types"] if session["amount_total"] else []


def _declined(outcome: Outcome, form: PayForm) -> str | None:
    """Say why the payment was declined, at the field that the buyer can mend if there is one."""
    error = outcome.error
    details = error.details if error is not None else {}
    for decline in DECLINES.values():
        if decline.field and decline.code == details.get("code"):
            form.errors[decline.field] = decline.message
            return None
    return details.get("message")


def _success_url(session: Json) -> str:
    url = str(session["success_url"])
    return re.sub(r"\{CHECKOUT_SESSION_ID\}", session["id"], url)


def _closed_page(session: Json) -> BaseResponse:
    complete = session["status"] == "complete"
    ended = "unpaid" if session["payment_status"] == "unpaid" else "paid"
    link = _success_url(session) if complete else session["cancel_url"]
    page = render_template(
        "gone.html",
        state=ended if complete else "expired",
        link=link if link and is_web_address(link) else None,
    )
    return make_response(page, 200 if complete else 410)
