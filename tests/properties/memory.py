"""The money's path on dictionaries: what records and fulfills is the product's own code.

Only the statements are stood in for, each by what it says, so that thousands of worlds take
seconds. That the databases do the same is shown by the worlds that go through the webhook.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from flask_stripe_credits.facts import Recorded, record_refunds
from flask_stripe_credits.fulfillment import fulfill
from flask_stripe_credits.state import AppState
from flask_stripe_credits.stripe_objects import Event, Refund
from flask_stripe_credits.webhooks.handlers import HANDLERS

from .worlds import Sale, Told

Row = dict[str, Any]
NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)

_FACTS = ("session_completed_at", "paid_at", "failed_at", "expired_at", "amount_paid")
_REVIEW = ("review_reason", "review_decision", "reviewed_at", "reviewed_by", "review_note")


class _Names:
    """Every statement is its name."""

    def __getattr__(self, name: str) -> str:
        return name


class _Result:
    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.rowcount = len(rows)

    def mappings(self) -> _Result:
        return self

    def all(self) -> list[Row]:
        return self.rows

    def first(self) -> Row | None:
        return self.rows[0] if self.rows else None

    def one(self) -> Row:
        (row,) = self.rows
        return row


class Memory:
    """The tables of one world, and a unit of work on them that never fails.

    :ivar grants: all of them in order.
    """

    sql: Any = _Names()
    owns_connection = True

    def __init__(self, state: AppState, sales: tuple[Sale, ...]) -> None:
        self.state = state
        self.sales = sales
        self.now = NOW
        self.purchases = {sale.id: _purchase(sale) for sale in sales}
        self.refunds: dict[str, Row] = {}
        self.disputes: dict[str, Row] = {}
        self.grants: list[Row] = []

    def deliver(self, told: Told) -> None:
        """Record one event's fact and fulfill, as the webhook does."""
        self.now += dt.timedelta(seconds=1)
        event = Event.from_payload(told.document)
        recorded = self._recording(event, told)(self)
        if recorded.purchase is not None:
            fulfill(self, recorded, cause=event.id)  # type: ignore[arg-type]

    def _recording(self, event: Event, told: Told) -> Callable[[Any], Recorded]:
        if told.listed is not None and "refunds" not in event.data_object:
            refunds = [Refund.from_payload(refund) for refund in told.listed]
            return lambda uow: record_refunds(uow, refunds)
        return HANDLERS[event.type](self.state, event)

    def after_commit(self, call: Callable[[], object]) -> None:
        """Nobody listens."""

    @contextlib.contextmanager
    def host_session(self) -> Iterator[Any]:
        yield SimpleNamespace(add=lambda booked: None)

    def execute(self, statement: str, params: Mapping[str, Any] | None = None) -> _Result:
        found = getattr(self, f"_{statement}")({} if params is None else params)
        return _Result([] if found is None else found)

    def _lock_payment(self, params: Mapping[str, Any]) -> None:
        assert params["payment_intent_id"]

    def _found(self, column: str, value: object, params: Mapping[str, Any]) -> list[Row]:
        owner = self._owner(params.get("payment_intent_id"))
        return [
            row | {"payment_owner_id": owner}
            for row in self.purchases.values()
            if row[column] == value
        ]

    def _owner(self, payment_intent_id: str | None) -> uuid.UUID | None:
        for row in self.purchases.values():
            if payment_intent_id is not None and (
                row["stripe_payment_intent_id"] == payment_intent_id
            ):
                return row["id"]  # type: ignore[no-any-return]
        return None

    def _lock_purchase(self, params: Mapping[str, Any]) -> list[Row]:
        return self._found("id", params["purchase_id"], params)

    def _lock_session(self, params: Mapping[str, Any]) -> list[Row]:
        return self._found("stripe_checkout_session_id", params["session_id"], params)

    def _lock_payment_and_session(self, params: Mapping[str, Any]) -> list[Row]:
        self._lock_payment(params)
        return self._lock_session(params)

    def _lock_purchase_by_payment(self, params: Mapping[str, Any]) -> list[Row]:
        return self._found("stripe_payment_intent_id", params["payment_intent_id"], params)

    def _find_session(self, params: Mapping[str, Any]) -> list[Row]:
        return self._found("stripe_checkout_session_id", params["session_id"], params)

    def _upsert_refund(self, params: Mapping[str, Any]) -> None:
        _keep_the_higher(self.refunds, params["stripe_refund_id"], params)

    def _upsert_dispute(self, params: Mapping[str, Any]) -> None:
        _keep_the_higher(self.disputes, params["stripe_dispute_id"], params)

    def _read_facts(self, params: Mapping[str, Any]) -> list[Row]:
        return [self._with_sums(row, params) for row in self._lock_purchase(params)]

    def _read_facts_of_session(self, params: Mapping[str, Any]) -> list[Row]:
        return [self._with_sums(row, params) for row in self._lock_session(params)]

    def _with_sums(self, row: Row, params: Mapping[str, Any]) -> Row:
        payment = row["stripe_payment_intent_id"] or params["payment_intent_id"]
        about = payment, row["currency"]
        posted = [grant for grant in self.grants if grant["purchase_id"] == row["id"]]
        return row | {
            "refunded": _sum(self.refunds, about, lambda rank: rank < 30),
            "disputed": _sum(self.disputes, about, lambda rank: 10 <= rank < 20),
            "posted": sum(grant["credits"] for grant in posted),
            "sequence": max((grant["sequence"] for grant in posted), default=0),
        }

    def _update_purchase(self, params: Mapping[str, Any]) -> None:
        changes = dict(params)
        self.purchases[changes.pop("purchase_key")] |= changes

    def _update_purchase_of_grant(self, params: Mapping[str, Any]) -> list[Row]:
        changes = dict(params)
        grant_id = changes.pop("grant_key")
        if all(grant["id"] != grant_id for grant in self.grants):
            return []
        self._update_purchase(changes)
        return [changes]

    def _insert_grant(self, params: Mapping[str, Any]) -> None:
        self.grants.append(dict(params))

    def _lock_undelivered(self, params: Mapping[str, Any]) -> None:
        """Every grant is delivered at once."""

    def _insert_audit(self, params: Mapping[str, Any]) -> None:
        """Nothing is decided by it."""


def _keep_the_higher(rows: dict[str, Row], key: str, told: Mapping[str, Any]) -> None:
    known = rows.get(key)
    if known is None or known["live_rank"] < told["live_rank"]:
        rows[key] = dict(told)


def _sum(rows: dict[str, Row], about: tuple[Any, Any], is_live: Callable[[int], bool]) -> int:
    return sum(
        row["amount"]
        for row in rows.values()
        if (row["stripe_payment_intent_id"], row["currency"]) == about and is_live(row["live_rank"])
    )


def _purchase(sale: Sale) -> Row:
    return dict.fromkeys(_FACTS + _REVIEW) | {
        "id": sale.id,
        "user_id": sale.user_id,
        "package_code": "starter",
        "package_name": "Starter Pack",
        "amount_credits": sale.credits,
        "unit_amount": sale.amount,
        "currency": "usd",
        "stripe_checkout_session_id": sale.session_id if sale.knows_session else None,
        "stripe_payment_intent_id": None,
        "checkout_url": None,
        "expires_at": None,
        "livemode": False,
        "status": "pending",
        "amount_refunded": 0,
        "credits_revoked": 0,
        "completed_at": None,
        "metadata": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
