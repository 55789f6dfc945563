"""One purchase as commands show it: what it is, all that happened, and what helps next."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..facts import Decision, Row
from ..models import Models
from ..money import Money
from ..purchase_search import COLUMNS
from ..purchase_states import State, state_of_purchase
from ..timeline import Entry, plain, timeline_of, undelivered_of
from .tables import printable


@dataclass(frozen=True, slots=True)
class Story:
    """A purchase and its timeline, of one moment."""

    purchase: Row
    entries: list[Entry]

    @property
    def state(self) -> State:
        return state_of_purchase(self.purchase, undelivered=undelivered_of(self.entries))

    @property
    def credits(self) -> str:
        """How many, and what became of them; of a dismissed purchase, what was handed over."""
        bought = f"{self.purchase['amount_credits']:,}"
        never = self.purchase["review_decision"] == Decision.DISMISSED
        if never and undelivered_of(self.entries):
            told = [one.details["credits"] for one in self.entries if one.kind == "delivery"]
            return f"{bought}, {sum(told):,} handed over"
        return f"{bought}, {self.purchase['credits_revoked']:,} taken back"


def read_story(connection: sa.Connection, models: Models, purchase_id: uuid.UUID) -> Story | None:
    """Return the story of a purchase, None when there is none."""
    table = models.table(models.Purchase)
    found = connection.execute(sa.select(table).where(table.c.id == purchase_id))
    row = found.mappings().first()
    if row is None:
        return None
    return Story(dict(row), timeline_of(connection, models, purchase_id))


def story_as_json(story: Story) -> dict[str, Any]:
    """Return the story as JSON has it; amounts are minor units."""
    timeline = [
        {
            "at": entry.at.isoformat(),
            "kind": entry.kind,
            "title": entry.title,
            "actor": entry.actor,
            "details": dict(entry.details),
        }
        for entry in story.entries
    ]
    return {
        "purchase": plain(story.purchase, *COLUMNS),
        "meaning": story.state.meaning,
        "next": list(story.state.next),
        "timeline": timeline,
    }


def story_as_text(story: Story) -> str:
    """Return the story for people."""
    row, state = story.purchase, story.state
    facts = {
        "user": row["user_id"],
        "package": f"{row['package_code']} ({row['package_name']})",
        "credits": story.credits,
        "price": str(_money(row, "unit_amount")),
        "paid": _paid(row),
        "session": row["stripe_checkout_session_id"] or "none",
        "payment": row["stripe_payment_intent_id"] or "none",
    }
    lines = [f"purchase {row['id']}: {row['status']}"]
    lines += [f"  {name:<8} {printable(value)}" for name, value in facts.items()]
    lines += ["", *map(_entry, story.entries), "", printable(state.meaning)]
    lines += [f"  next: {printable(one)}" for one in state.next]
    return "\n".join(lines)


def _paid(row: Row) -> str:
    if row["amount_paid"] is None:
        return "nothing yet"
    paid = f"{_money(row, 'amount_paid')}"
    return f"{paid}, {_money(row, 'amount_refunded')} refunded" if row["amount_refunded"] else paid


def _entry(entry: Entry) -> str:
    actor = f" [{entry.actor}]" if entry.actor and entry.actor != "stripe" else ""
    return f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.kind:<8}  {printable(entry.title + actor)}"


def _money(row: Row, column: str) -> Money:
    return Money(row[column], row["currency"])
