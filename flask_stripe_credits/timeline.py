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
from .facts import Decision, Row
from .models import Models
from .money import Money

# What happened in one transaction has one time: an event brings a fact, a fact a grant.
_ORDER = ("created", "request", "event", "session", "refund", "dispute", "grant", "delivery", "log")


class Change(int):
    """Credits that come or go: shown with their sign."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part of a title: words that can be translated, and what is put in at ``%(name)s``."""

    message: str
    values: Mapping[str, str | int | Money] = field(default_factory=dict)

    def __str__(self) -> str:
        """In English."""
        if not self.values:
            return self.message
        return self.message % {name: _in_english(value) for name, value in self.values.items()}


def _in_english(value: str | int | Money) -> str:
    if isinstance(value, Change):
        return f"{value:+,}"
    return f"{value:,}" if isinstance(value, int) else str(value)


_SESSION_FACTS = {
    "session_completed_at": Phrase("the buyer went through the checkout"),
    "paid_at": Phrase("paid"),
    "failed_at": Phrase("the payment failed"),
    "expired_at": Phrase("the checkout expired"),
}
_AND = Phrase(" and ")
_NOT_KNOWN_TO_BE_MADE = Phrase(", and isn't known to have been made")
_NOT_DELIVERED = Phrase(", not delivered yet")
_NEVER_DELIVERED = Phrase(", never to be delivered")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a purchase.

    :ivar at: aware UTC.
    :ivar kind: ``created``, ``request`` (an operator's for a refund), ``event`` (of Stripe's),
        ``session`` (what became of the checkout), ``refund``, ``dispute``, ``grant``,
        ``delivery`` (the signal to the credit manager) or ``log`` (the audit log).
    :ivar words: what happened, for people; one after the other they are the title.
    :ivar details: plain JSON values; amounts are minor units, times are ISO 8601 in UTC.
    :ivar actor: who did it, None where nobody in particular did.
    """

    at: dt.datetime
    kind: str
    words: tuple[Phrase, ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    actor: str | None = None

    @property
    def title(self) -> str:
        """What happened, in English; plain text."""
        return "".join(map(str, self.words))


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
        *_grants(of_purchase(models.Grant), purchase),
        *_log(of_purchase(models.AuditLog)),
    ]
    return sorted(entries, key=lambda entry: (entry.at, _ORDER.index(entry.kind)))


def undelivered_of(entries: Iterable[Entry]) -> list[int]:
    """Return the credits, signed, of each grant that the credit manager has not been handed."""
    told = list(entries)
    delivered = {entry.details["id"] for entry in told if entry.kind == "delivery"}
    return [
        entry.details["credits"]
        for entry in told
        if entry.kind == "grant" and entry.details["id"] not in delivered
    ]


def _rows(connection: sa.Connection, table: sa.Table, column: str, value: object) -> Sequence[Row]:
    query = sa.select(table).where(table.c[column] == value)
    return cast(Sequence[Row], connection.execute(query).mappings().all())


def _created(purchase: Row) -> Entry:
    wanted = Phrase(
        "%(user)s wants %(credits)s credits for %(price)s",
        {
            "user": purchase["user_id"],
            "credits": purchase["amount_credits"],
            "price": Money(purchase["unit_amount"], purchase["currency"]),
        },
    )
    names = "user_id package_code package_name amount_credits unit_amount currency".split()
    return Entry(purchase["created_at"], "created", (wanted,), plain(purchase, *names))


def _sessions(purchase: Row) -> Iterator[Entry]:
    """What the session told, in one entry for what it told at once."""
    told: dict[dt.datetime, list[Phrase]] = defaultdict(list)
    for name, happened in _SESSION_FACTS.items():
        at = purchase[name]
        if at is not None:
            told[at] += [_AND, happened] if told[at] else [happened]
    names = "stripe_checkout_session_id", "stripe_payment_intent_id"
    for at, words in told.items():
        details = plain(purchase, *names)
        if at == purchase["paid_at"] and purchase["amount_paid"] is not None:
            paid = Money(purchase["amount_paid"], purchase["currency"])
            words.append(Phrase(": %(amount)s", {"amount": paid}))
            details |= plain(purchase, "amount_paid", "currency")
        yield Entry(at, "session", tuple(words), details)


def _request(request: Row, currency: str) -> Entry:
    amount = Money(request["amount"], currency)
    words = [Phrase("a refund of %(amount)s was asked for", {"amount": amount})]
    if request["reason"] is not None:
        words.append(Phrase(" (%(reason)s)", {"reason": request["reason"]}))
    if request["stripe_refund_id"] is None:
        words.append(_NOT_KNOWN_TO_BE_MADE)
    details = plain(request, "id", "amount", "reason", "stripe_refund_id")
    return Entry(request["created_at"], "request", tuple(words), details, request["actor"])


def _event(event: Row) -> Entry:
    words = [Phrase("%(type)s: %(verdict)s", {name: event[name] for name in ("type", "verdict")})]
    if event["attempts"] > 1:
        words.append(Phrase(" after %(attempts)s attempts", {"attempts": event["attempts"]}))
    names = "stripe_event_id type object_id verdict attempts error_class api_version".split()
    details = plain(event, *names, "created", "updated_at")
    return Entry(event["received_at"], "event", tuple(words), details, "stripe")


def _reversals(kind: str, rows: Iterable[Row]) -> Iterator[Entry]:
    """The first we heard of each refund or dispute, and what became of it."""
    for row in rows:
        details = plain(row, f"stripe_{kind}_id", "amount", "currency", "status")
        about = {
            "id": row[f"stripe_{kind}_id"],
            "amount": Money(row["amount"], row["currency"]),
        }
        what = (
            Phrase("refund %(id)s of %(amount)s", about)
            if kind == "refund"
            else Phrase("dispute %(id)s of %(amount)s", about)
        )
        status = {"status": row["status"]}
        if row["updated_at"] == row["created_at"]:
            words = (what, Phrase(": %(status)s", status))
            yield Entry(row["created_at"], kind, words, details, "stripe")
            continue
        first = {name: details[name] for name in details if name != "status"}
        yield Entry(row["created_at"], kind, (what,), first, "stripe")
        words = (what, Phrase(" is now %(status)s", status))
        yield Entry(row["updated_at"], kind, words, details, "stripe")


def _grants(rows: Iterable[Row], purchase: Row) -> Iterator[Entry]:
    is_dismissed = purchase["review_decision"] == Decision.DISMISSED
    for row in sorted(rows, key=itemgetter("sequence")):
        signal = signal_for(row["sequence"], row["credits"]).name
        credits = Change(row["credits"])
        details = plain(row, "id", "sequence", "credits", "reason", "cause")
        values = {"sequence": row["sequence"], "credits": credits, "reason": row["reason"]}
        words = [Phrase("grant %(sequence)s: %(credits)s credits (%(reason)s)", values)]
        if row["delivered_at"] is None:
            words.append(_NEVER_DELIVERED if is_dismissed else _NOT_DELIVERED)
            details |= plain(row, "attempts", "next_attempt_at", "last_error")
        yield Entry(row["created_at"], "grant", tuple(words), details, row["cause"])
        if row["delivered_at"] is not None:
            told = Phrase(
                "%(signal)s told the credit manager of %(credits)s credits",
                {"signal": signal, "credits": credits},
            )
            details = {"signal": signal, **plain(row, "id", "sequence", "credits", "attempts")}
            yield Entry(row["delivered_at"], "delivery", (told,), details)


def _log(lines: Sequence[Row]) -> Iterator[Entry]:
    for line in sorted(lines, key=itemgetter("id")):
        # The request itself tells of it.
        if line["action"] != "refund.requested":
            yield _logged(line)


def _logged(line: Row) -> Entry:
    details = line["details"] or {}
    reason = details.get("reason")
    title = f"{line['action']}: {reason}" if reason else line["action"]
    return Entry(
        line["created_at"],
        "log",
        (Phrase("%(text)s", {"text": title}),),
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
