"""What the dashboard shows."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from flask import Response, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from .. import disputes, events, refunds, sessions
from ..chaos import Chaos
from ..deliveries import Courier
from ..store import Json, Sql, Where
from ..world import World
from . import paging

PAYMENT_STATES = ("succeeded", "processing", "requires_payment_method", "requires_action")
SESSION_STATES = ("open", "complete", "expired")
DELIVERY_STATES = ("pending", "delivered", "failed", "canceled")
_METHODS = {"us_bank_account": "US bank account", "sepa_debit": "SEPA debit"}
_LONGEST_TEXT = 200
_MOST_EVENTS = 50
# Where the objects are shown that have a page of their own, or are part of another's.
_SHOWN_BY = {
    "checkout.session": ("session", "id"),
    "customer": ("customer", "id"),
    "event": ("event", "id"),
    "payment_intent": ("payment", "id"),
    "charge": ("payment", "payment_intent"),
    "dispute": ("payment", "payment_intent"),
    "refund": ("payment", "payment_intent"),
    "webhook_endpoint": ("endpoint", "id"),
}


class Pages:
    """The views, with what they need."""

    def __init__(self, world: World, courier: Courier, token: str) -> None:
        self._world = world
        self._store = world.store
        self._courier = courier
        self._token = token

    def payments(self) -> Response:
        where = _chosen("status", PAYMENT_STATES)
        if customer := _asked("customer"):
            where.append(Where("customer", "=", customer))
        part = paging.objects(self._store, "payment_intent", where, request.args)
        rows = [{**intent, "about": self._summary(intent)} for intent in part.rows]
        return self._page("payments", part=part, rows=rows, states=PAYMENT_STATES)

    def sessions(self) -> Response:
        where = _chosen("status", SESSION_STATES)
        part = paging.objects(self._store, "checkout.session", where, request.args)
        return self._page("sessions", part=part, rows=part.rows, states=SESSION_STATES)

    def customers(self) -> Response:
        part = paging.objects(self._store, "customer", (), request.args)
        return self._page("customers", part=part, rows=part.rows)

    def events(self) -> Response:
        where: list[Where | Sql] = []
        if type := _asked("type"):
            where.append(Where("type", "=", type))
        part = paging.objects(self._store, "event", where, request.args)
        return self._page("events", part=part, rows=self._with_deliveries(part.rows), type=type)

    def deliveries(self) -> Response:
        state = _asked("state")
        before = request.args.get("before", type=int)
        part = paging.deliveries(self._store, state, _asked("endpoint"), before)
        rows = [
            {
                **row,
                "type": (self._store.get("event", row["event"]) or {}).get("type", row["event"]),
                "url": self._url_of(row["endpoint"]),
                "attempts": [
                    attempt
                    for delivery in self._courier.log(row["event"])
                    if delivery.id == row["id"]
                    for attempt in delivery.attempts
                ],
            }
            for row in part.rows
        ]
        return self._page("deliveries", part=part, rows=rows, states=DELIVERY_STATES)

    def endpoints(self) -> Response:
        part = paging.objects(self._store, "webhook_endpoint", (), request.args)
        return self._page("endpoints", part=part, rows=part.rows)

    def payment(self, id: str, problem: str | None = None) -> Response:
        intent = self._get("payment_intent", id)
        of_intent = [Where("payment_intent", "=", id)]
        charge = self._store.get("charge", intent["latest_charge"] or "")
        session = next(iter(self._store.find("checkout.session", of_intent, limit=1)), None)
        left = charge["amount_captured"] - charge["amount_refunded"] if charge else 0
        return self._page(
            "payment",
            problem,
            intent=intent,
            about=self._summary(intent),
            charges=self._store.find("charge", of_intent),
            session=session,
            left=left,
            disputable=charge is not None and charge["paid"] and charge["captured"],
            charged_back=charge is not None and disputes.took_the_money(self._world, charge["id"]),
            refunds=[self._with_ends(one, refunds.MAY_BECOME) for one in self._found("refund", id)],
            disputes=[
                self._with_ends(one, disputes.MAY_BECOME) for one in self._found("dispute", id)
            ],
            events=self._about(id),
        )

    def session(self, id: str, problem: str | None = None) -> Response:
        session = self._get("checkout.session", id)
        session = sessions.get(self._world, id) if session["status"] == "open" else session
        items = sessions.line_items(self._world, id)
        paid = session["payment_intent"]
        return self._page(
            "session", problem, session=session, items=items, events=self._about(paid or id)
        )

    def customer(self, id: str) -> Response:
        customer = self._get("customer", id)
        where = [Where("customer", "=", id)]
        intents = self._store.find("payment_intent", where, limit=paging.SIZE)
        rows = [{**intent, "about": self._summary(intent)} for intent in intents]
        return self._page("customer", customer=customer, rows=rows)

    def event(self, id: str, problem: str | None = None) -> Response:
        event = self._get("event", id)
        log = self._courier.log(id)
        return self._page(
            "event",
            problem,
            event=event,
            body=json.dumps(events.render(self._world, event), indent=2),
            log=log[::-1],
            urls={delivery.endpoint: self._url_of(delivery.endpoint) for delivery in log},
            endpoints=self._store.find("webhook_endpoint", [Where("status", "=", "enabled")]),
        )

    def endpoint(self, id: str, problem: str | None = None) -> Response:
        hidden = self._store.hidden(id)
        return self._page(
            "endpoint",
            problem,
            endpoint=self._get("webhook_endpoint", id),
            secrets=hidden.get("secrets", []),
            old_until=hidden.get("old_until"),
        )

    def chaos(self, problem: str | None = None) -> Response:
        return self._page("chaos", problem, chaos=self._courier.chaos, calm=Chaos())

    def find(self) -> BaseResponse:
        id = _asked("id") or ""
        found = self._store.get_any(id)
        page, key = _SHOWN_BY.get(found["object"] if found else "", ("", "id"))
        if found is None or not page or not found[key]:
            return self._page("missing", id=id, status=404)
        return redirect(f"/dashboard/{page}s/{found[key]}", 303)

    def _get(self, kind: str, id: str) -> Json:
        found = self._store.get(kind, id)
        if found is None:
            abort(self._page("missing", id=id, status=404))
        return found

    def _found(self, kind: str, intent_id: str) -> list[Json]:
        return self._store.find(kind, [Where("payment_intent", "=", intent_id)])

    def _with_ends(self, one: Json, may_become: dict[str, Any]) -> Json:
        return {**one, "ends": may_become.get(one["status"], ())}

    def _summary(self, intent: Json) -> Json:
        """Return what a payment intent doesn't say itself: who paid with what, what came back."""
        charge = self._store.get("charge", intent["latest_charge"] or "") or {}
        details = charge.get("payment_method_details") or {}
        type = details.get("type")
        refunded = charge.get("amount_refunded", 0)
        return {
            "email": (charge.get("billing_details") or {}).get("email"),
            "method": type and f"{_METHODS.get(type, type)} …{details[type]['last4']}",
            "refunded": refunded,
            "marks": [
                *(["disputed"] if charge.get("disputed") else []),
                *(["refunded"] if charge.get("refunded") else []),
                *(["partly refunded"] if refunded and not charge.get("refunded") else []),
            ],
        }

    def _about(self, id: str) -> list[Json]:
        found = self._store.find("event", [events.about(id)], limit=_MOST_EVENTS)
        return self._with_deliveries(found)

    def _with_deliveries(self, found: Sequence[Json]) -> list[Json]:
        return [{**event, "states": self._states(event["id"])} for event in found]

    def _states(self, event_id: str) -> list[str]:
        rows = self._store.query(
            "SELECT DISTINCT state FROM deliveries WHERE event = ? ORDER BY state", event_id
        )
        return [state for (state,) in rows]

    def _url_of(self, endpoint_id: str) -> str:
        endpoint = self._store.get("webhook_endpoint", endpoint_id) or {}
        return str(endpoint.get("url", "a removed endpoint"))

    def _page(
        self, name: str, problem: str | None = None, *, status: int = 200, **shown: object
    ) -> Response:
        page = render_template(
            f"dashboard/{name}.html",
            here=name,
            token=self._token,
            problem=problem,
            done=request.args.get("done"),
            **shown,
        )
        return make_response(page, 400 if problem else status)


def _asked(name: str) -> str | None:
    return request.args.get(name, "").strip()[:_LONGEST_TEXT] or None


def _chosen(field: str, known: Sequence[str]) -> list[Where | Sql]:
    value = _asked(field)
    return [Where(field, "=", value)] if value in known else []


def moment(seconds: float) -> str:
    """Return seconds since the epoch as people read them."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + " UTC"
