"""One purchase's whole story, told from every table that knows a part of it. Only reads."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, cast

import sqlalchemy as sa

from .delivery import signal_for
from .facts import Row
from .models import Models
from .money import Money

# What happened in one transaction has one time: an event brings a fact, a fact a grant.
_ORDER = ("created", "request", "event", "session", "refund", "dispute", "grant", "delivery", "log")

_SESSION_FACTS = {
    "session_completed_at": "the buyer went through the checkout",
    "paid_at": "paid",
    "failed_at": "the payment failed",
    "expired_at": "the checkout expired",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a purchase.

    :ivar at: aware UTC.
    :ivar kind: ``created``, ``request`` (an operator's for a refund), ``event`` (of Stripe's),
        ``session`` (what became of the checkout), ``refund``, ``dispute``, ``grant``,
        ``delivery`` (the signal to the credit manager) or ``log`` (the audit log).
    :ivar title: what happened, for people; plain text.
    :ivar details: plain JSON values; amounts are minor units, times are ISO 8601 in UTC.
    :ivar actor: who did it, None where nobody in particular did.
    """

    at: dt.datetime
    kind: str
    title: str
    details: Mapping[str, Any] = field(default_factory=dict)
    actor: str | None = None


def timeline_of(connection: sa.Connection, models: Models, purchase_id: uuid.UUID) -> list[Entry]:
    """Return what happened to one purchase, oldest first; nothing if there is no such purchase.

    One statement for each table, however much happened.
    """
    table = models.table(models.Purchase)
    found = connection.execute(sa.select(table).where(table.c.id == purchase_id))
    purchase = cast(Row | None, found.mappings().first())
    if purchase is None:
        return []
    payment_id, currency = purchase["stripe_payment_intent_id"], purchase["currency"]

    def of_purchase(model: type[Any]) -> Sequence[Row]:
        return _rows(connection, models.table(model), "purchase_id", purchase_id)

    def of_payment(model: type[Any]) -> Sequence[Row]:
        return _rows(connection, models.table(model), "stripe_payment_intent_id", payment_id)

    entries = [
        _created(purchase),
        *_sessions(purchase),
        *(_request(row, currency) for row in of_purchase(models.RefundRequest)),
        *(_event(row) for row in of_purchase(models.WebhookEvent)),
        *_reversals("refund", of_payment(models.Refund)),
        *_reversals("dispute", of_payment(models.Dispute)),
        *_grants(of_purchase(models.Grant)),
        *_log(of_purchase(models.AuditLog)),
    ]
    return sorted(entries, key=lambda entry: (entry.at, _ORDER.index(entry.kind)))


def _rows(connection: sa.Connection, table: sa.Table, column: str, value: object) -> Sequence[Row]:
    query = sa.select(table).where(table.c[column] == value)
    return cast(Sequence[Row], connection.execute(query).mappings().all())


def _created(purchase: Row) -> Entry:
    price = Money(purchase["unit_amount"], purchase["currency"])
    title = f"{purchase['user_id']} wants {purchase['amount_credits']:,} credits for {price}"
    names = "user_id package_code package_name amount_credits unit_amount currency".split()
    return Entry(purchase["created_at"], "created", title, plain(purchase, *names))


def _sessions(purchase: Row) -> Iterator[Entry]:
    """What the session told, in one entry for what it told at once."""
    told: dict[dt.datetime, list[str]] = defaultdict(list)
    for name, words in _SESSION_FACTS.items():
        if purchase[name] is not None:
            told[purchase[name]].append(words)
    names = "stripe_checkout_session_id", "stripe_payment_intent_id"
    for at, happened in told.items():
        title, details = " and ".join(happened), plain(purchase, *names)
        if at == purchase["paid_at"] and purchase["amount_paid"] is not None:
            title += f": {Money(purchase['amount_paid'], purchase['currency'])}"
            details |= plain(purchase, "amount_paid", "currency")
        yield Entry(at, "session", title, details)


def _request(request: Row, currency: str) -> Entry:
    title = f"a refund of {Money(request['amount'], currency)} was asked for"
    if request["reason"] is not None:
        title += f" ({request['reason']})"
    if request["stripe_refund_id"] is None:
        title += ", and isn't known to have been made"
    details = plain(request, "id", "amount", "reason", "stripe_refund_id")
    return Entry(request["created_at"], "request", title, details, request["actor"])


def _event(event: Row) -> Entry:
    title = f"{event['type']}: {event['verdict']}"
    if event["attempts"] > 1:
        title += f" after {event['attempts']} attempts"
    names = "stripe_event_id type object_id verdict attempts error_class api_version".split()
    details = plain(event, *names, "created", "updated_at")
    return Entry(event["received_at"], "event", title, details, "stripe")


def _reversals(kind: str, rows: Iterable[Row]) -> Iterator[Entry]:
    """The first we heard of each refund or dispute, and what became of it."""
    for row in rows:
        id = row[f"stripe_{kind}_id"]
        details = plain(row, f"stripe_{kind}_id", "amount", "currency", "status")
        title = f"{kind} {id} of {Money(row['amount'], row['currency'])}"
        if row["updated_at"] == row["created_at"]:
            yield Entry(row["created_at"], kind, f"{title}: {row['status']}", details, "stripe")
            continue
        first = {name: details[name] for name in details if name != "status"}
        yield Entry(row["created_at"], kind, title, first, "stripe")
        yield Entry(row["updated_at"], kind, f"{title} is now {row['status']}", details, "stripe")


def _grants(rows: Iterable[Row]) -> Iterator[Entry]:
    for row in sorted(rows, key=itemgetter("sequence")):
        signal = signal_for(row["sequence"], row["credits"]).name
        credits = f"{row['credits']:+,} credits"
        details = plain(row, "id", "sequence", "credits", "reason", "cause")
        title = f"grant {row['sequence']}: {credits} ({row['reason']})"
        if row["delivered_at"] is None:
            title += ", not delivered yet"
            details |= plain(row, "attempts", "next_attempt_at", "last_error")
        yield Entry(row["created_at"], "grant", title, details, row["cause"])
        if row["delivered_at"] is not None:
            title = f"{signal} told the credit manager of {credits}"
            details = {"signal": signal, **plain(row, "id", "sequence", "credits", "attempts")}
            yield Entry(row["delivered_at"], "delivery", title, details)


def _log(lines: Sequence[Row]) -> Iterator[Entry]:
    for line in sorted(lines, key=itemgetter("id")):
        # The request itself tells of it.
        if line["action"] != "refund.requested":
            yield _logged(line)


def _logged(line: Row) -> Entry:
    details = line["details"] or {}
    title = line["action"]
    reason = details.get("reason")
    return Entry(
        line["created_at"],
        "log",
        f"{title}: {reason}" if reason else title,
        {"action": line["action"], **details},
        line["actor"],
    )


def plain(row: Row, *names: str) -> dict[str, Any]:
    """Return these columns as JSON has them: ids as text, times as ISO 8601."""
    return {name: _json(row[name]) for name in names}


def _json(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value
