"""What the dashboard's buttons do: each is one act, and then the page again that it stood on."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import redirect, request
from werkzeug.wrappers import Response

from ...money import Money
from .. import disputes, events, refunds
from ..acts import Acts
from ..chaos import Chaos
from ..deliveries import Courier
from ..errors import ApiError, invalid, no_such
from ..store import Json, Place
from ..world import World
from . import chaos_form
from .pages import Pages

# The merchant wants to see what the webhook did, but not to wait for one that is down.
_LONGEST_WAIT_SECONDS = 5.0
_LONGEST_KEPT_SECONDS = 7 * 24 * 60 * 60


class Buttons:
    """The views, with what they need."""

    def __init__(self, acts: Acts, world: World, courier: Courier, pages: Pages) -> None:
        self._acts = acts
        self._world = world
        self._store = world.store
        self._courier = courier
        self._pages = pages

    def refund(self, id: str) -> Response:
        def act() -> None:
            self._acts.refund(id, self._amount(id), status=_one_of("begins", "pending"))

        return self._press("payment", id, act, "refunded")

    def settle_refund(self, id: str) -> Response:
        payment = self._payment_of("refund", id)
        status = _one_of("status", "succeeded", "failed", "canceled")
        return self._press(
            "payment", payment, lambda: self._acts.settle_refund(id, _given(status)), "settled"
        )

    def dispute(self, id: str) -> Response:
        inquiry = request.form.get("kind") == "inquiry"

        def act() -> None:
            reason = _one_of("reason", "fraudulent", "product_not_received", "duplicate", "general")
            self._acts.dispute(id, self._amount(id), inquiry=inquiry, reason=reason or "general")

        return self._press("payment", id, act, "inquired" if inquiry else "disputed")

    def escalate(self, id: str) -> Response:
        payment = self._payment_of("dispute", id)
        return self._press("payment", payment, lambda: self._acts.escalate(id), "escalated")

    def close_dispute(self, id: str) -> Response:
        payment = self._payment_of("dispute", id)
        status = _one_of("status", "won", "lost", "warning_closed")
        return self._press(
            "payment", payment, lambda: self._acts.close_dispute(id, _given(status)), "closed"
        )

    def settle_payment(self, id: str) -> Response:
        answer = _one_of("answer", "pay", "refuse")
        return self._press(
            "payment",
            id,
            lambda: self._acts.settle_payment(id, succeeded=_given(answer) == "pay"),
            "answered",
        )

    def expire(self, id: str) -> Response:
        return self._press("session", id, lambda: self._acts.expire(id), "expired")

    def resend(self, id: str) -> Response:
        def act() -> None:
            event = self._store.get("event", id)
            if event is None:
                raise no_such("event", id)
            with self._store.transaction():
                events.resend(self._world, event, request.form.get("endpoint") or None)

        return self._press("event", id, act, "resent", about=id)

    def rotate(self, id: str) -> Response:
        def act() -> None:
            keep = request.form.get("keep_seconds", -1, type=int)
            if not 0 <= keep <= _LONGEST_KEPT_SECONDS:
                raise invalid("The old secret can be kept for a week at most.")
            self._acts.rotate_secret(id, keep_old_seconds=keep)

        return self._press("endpoint", id, act, "rotated")

    def set_chaos(self) -> Response:
        try:
            self._courier.chaos = chaos_form.read(request.form)
        except ApiError as error:
            return self._pages.chaos(error.message)
        calm = self._courier.chaos == Chaos()
        return redirect(f"/dashboard/chaos?done={'calm' if calm else 'chaos'}", 303)

    def _press(
        self, page: str, id: str, act: Callable[[], Any], done: str, *, about: str | None = None
    ) -> Response:
        newest = self._newest_event()
        try:
            act()
        except ApiError as error:
            answer: Response = getattr(self._pages, page)(id, error.message)
            return answer
        for event_id in [about] if about else self._told_since(newest):
            self._courier.wait_for_first_attempts(event_id, _LONGEST_WAIT_SECONDS)
        return redirect(f"/dashboard/{page}s/{id}?done={done}", 303)

    def _newest_event(self) -> Place | None:
        newest = self._store.find("event", limit=1)
        return self._store.place("event", newest[0]["id"]) if newest else None

    def _told_since(self, place: Place | None) -> list[str]:
        return [event["id"] for event in self._store.find("event", after=place)]

    def _payment_of(self, kind: str, id: str) -> str:
        get = {"refund": refunds.get, "dispute": disputes.get}[kind]
        try:
            return str(get(self._world, id)["payment_intent"])
        except ApiError:
            return id

    def _amount(self, intent_id: str) -> int | None:
        """Return the amount that was typed, in minor units, or None for none."""
        typed = request.form.get("amount", "").strip()
        intent: Json | None = self._store.get("payment_intent", intent_id)
        if not typed or intent is None:
            return None
        try:
            return Money.from_major(Decimal(typed), intent["currency"]).amount
        except (InvalidOperation, ValueError):
            raise invalid(
                f"“{typed[:40]}” isn't an amount in {intent['currency']}: write one such as "
                f"{Money(intent['amount'], intent['currency']).major}.",
                param="amount",
            ) from None


def _one_of(name: str, *known: str) -> Any:
    value = request.form.get(name)
    return value if value in known else None


def _given(value: Any) -> Any:
    if value is None:
        raise invalid("The form didn't say what shall happen. Please use its buttons.")
    return value
