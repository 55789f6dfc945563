"""One purchase: what is known of it, all that happened, and what can be done."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import cast

import sqlalchemy as sa
from flask import render_template
from werkzeug.exceptions import NotFound

from ....facts import Decision, PurchaseStatus, Reversals, Row, reversals_of
from ....money import Money
from ....reading import reading
from ....state import AppState, current_state
from ....timeline import Change, Entry, timeline_of, undelivered_of
from ..formats import money, number
from ..texts import text
from . import words
from .messages import take_message

_TONES = {"refund": "accent", "dispute": "bad", "grant": "good", "request": "accent"}


@dataclass(frozen=True, slots=True)
class Known:
    """A purchase with what went back of its payment, and the credits that are posted for it."""

    row: Row
    reversals: Reversals
    posted: int

    @property
    def refundable(self) -> int:
        """Minor units that can still be refunded."""
        paid: int = self.row["amount_paid"] or 0
        if self.row["stripe_payment_intent_id"] is None:
            return 0
        return max(paid - self.reversals.refunded, 0)

    @property
    def is_undecided(self) -> bool:
        return bool(self.row["status"] == PurchaseStatus.REVIEW)


def read_known(connection: sa.Connection, state: AppState, purchase_id: uuid.UUID) -> Known:
    """Read one purchase.

    :raises werkzeug.exceptions.NotFound: there is none of this id.
    """
    read = state.statements(connection.dialect.name).read_facts
    found = connection.execute(read, {"purchase_id": purchase_id}).mappings().first()
    if found is None:
        raise NotFound
    row = cast(Row, found)
    return Known(row, reversals_of(row), row["posted"])


def purchase(actor: str, purchase_id: uuid.UUID) -> str:
    """The page of one purchase."""
    state = current_state()
    with reading(state) as connection:
        known = read_known(connection, state, purchase_id)
        entries = timeline_of(connection, state.models, purchase_id)
    return render_template(
        "flask_stripe_credits/dashboard/purchase.html",
        known=known,
        purchase=known.row,
        entries=entries,
        never=_never_delivered(known.row, entries),
        signed=lambda credits: ", ".join(number(one, signed=True) for one in credits),
        message=take_message(),
        title_of=title_of,
        tone_of=tone_of,
        words=words,
    )


def _never_delivered(row: Row, entries: list[Entry]) -> list[int]:
    """The credits, signed, of each grant that nobody will be handed any more."""
    return undelivered_of(entries) if row["review_decision"] == Decision.DISMISSED else []


def title_of(entry: Entry) -> str:
    """What happened, in the reader's language."""
    return "".join(
        text(phrase.message, **{name: _shown(value) for name, value in phrase.values.items()})
        for phrase in entry.words
    )


def _shown(value: str | int | Money) -> str:
    if isinstance(value, Money):
        return money(value.amount, value.currency)
    return number(value, signed=isinstance(value, Change)) if isinstance(value, int) else value


def tone_of(entry: Entry) -> str:
    """The tone of an entry's dot."""
    if entry.kind == "grant" and entry.details["credits"] < 0:
        return "bad"
    if entry.kind == "event":
        return words.verdict_tone(entry.details["verdict"])
    return _TONES.get(entry.kind, "quiet")
