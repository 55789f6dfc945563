"""``/v1/payment_pages``: what the hosted page calls, so that a script can pay without a browser."""

from __future__ import annotations

from .. import methods, payments, sessions
from ..idempotency import Answer
from ..params import Choice, Text, Whole
from ..payments import Outcome
from ..store import Json
from ..world import World
from .routing import Call, Routes

routes: Routes = Routes()


@routes.get("/v1/payment_pages/<id>")
def retrieve(call: Call) -> Json:
    return _page(call.world, sessions.get(call.world, call.id))


@routes.post(
    "/v1/payment_pages/<id>/confirm",
    {
        "expected_amount": Whole(),
        "payment_method": Text(255),
        # Stands for the buyer at the bank's page; Stripe has nothing like it in its API.
        "sandbox_authentication": Choice(("complete", "fail")),
    },
)
def confirm(call: Call) -> Json | Answer:
    world, params = call.world, call.params
    if "sandbox_authentication" in params:
        passed = params["sandbox_authentication"] == "complete"
        return _answer(world, payments.authenticate(world, call.id, passed=passed))
    sessions.get(world, call.id)
    method = None
    if "payment_method" in params:
        method = methods.named(world, params["payment_method"])
    expected = params.get("expected_amount")
    return _answer(world, payments.confirm(world, call.id, method, expected_amount=expected))


def _answer(world: World, outcome: Outcome) -> Json | Answer:
    if outcome.error is not None:
        return Answer(outcome.error.body, outcome.error.status)
    return _page(world, outcome.session)


def _page(world: World, session: Json) -> Json:
    details = session["total_details"]
    return {
        "id": f"ppage_{session['id'].removeprefix('cs_test_')[:24]}",
        "object": "payment_page",
        "amount_subtotal": session["amount_subtotal"],
        "amount_total": session["amount_total"],
        "cancel_url": session["cancel_url"],
        "currency": session["currency"],
        "customer_email": session["customer_email"],
        "line_items": sessions.line_items(world, session["id"]),
        "livemode": False,
        "mode": session["mode"],
        "payment_intent": world.store.get("payment_intent", session["payment_intent"] or ""),
        "payment_method_types": session["payment_method_types"],
        "payment_status": session["payment_status"],
        "session_id": session["id"],
        "status": session["status"],
        "success_url": session["success_url"],
        "total_details": details,
        "total_summary": {
            "due": session["amount_total"],
            "subtotal": session["amount_subtotal"],
            "total": session["amount_total"],
        },
        "url": session["url"],
    }
