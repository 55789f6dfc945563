"""Worlds: what happened at Stripe to a few purchases, and all the events that tell it."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from typing import Any

from .stories import DISPUTES, REFUNDS, SESSIONS, DisputeStory, RefundStory, SessionStory

Json = dict[str, Any]

VERSIONS = ("2019-12-03", "2022-11-15", "2024-09-30.acacia", "2026-10-28.endive", None)
_EITHER = (True, False)
_CREDITS = (1, 2, 3, 7, 10, 99, 1_000, 1_001, 5_000, 50_000, 2**53)
_AMOUNTS = (1, 3, 7, 50, 100, 999, 1_000, 4_500, 35_000, 99_999_999)


@dataclass(frozen=True)
class Told:
    """One event.

    :ivar listed: what Stripe would answer when asked for the refunds of the payment right then.
    """

    document: Json
    listed: tuple[Json, ...] | None = None

    @property
    def type(self) -> str:
        return str(self.document["type"])


@dataclass(frozen=True)
class Reversal:
    """A refund or a dispute as it is at the end.

    :ivar live: whether the money is gone. In another currency it isn't ours to judge: it isn't.
    """

    id: str
    amount: int
    live: bool
    currency: str = "usd"


@dataclass(frozen=True)
class Sale:
    """A purchase, and what is true of it when everything is told.

    :ivar fits: whether the session says what the purchase says.
    :ivar hinted: ``charge.refunded`` is all that tells of its refunds.
    """

    number: int
    credits: int
    amount: int
    story: SessionStory
    knows_session: bool = True
    fits: bool = True
    hinted: bool = False
    refunds: tuple[Reversal, ...] = ()
    disputes: tuple[Reversal, ...] = ()

    @property
    def id(self) -> uuid.UUID:
        return uuid.UUID(int=self.number)

    @property
    def session_id(self) -> str:
        return f"cs_test_{self.number}"

    @property
    def payment_intent_id(self) -> str:
        return f"pi_{self.number}"

    @property
    def user_id(self) -> str:
        return f"buyer {self.number}"

    @property
    def is_paid(self) -> bool:
        return self.story.is_paid and self.fits

    @property
    def amount_refunded(self) -> int:
        return min(self.amount, self.refunded) if self.is_paid else 0

    @property
    def credits_revoked(self) -> int:
        return self.credits - self.balance if self.is_paid else 0

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.live)

    @property
    def disputed(self) -> int:
        return sum(dispute.amount for dispute in self.disputes if dispute.live)

    @property
    def balance(self) -> int:
        """The credits that the buyer should have."""
        if not self.is_paid:
            return 0
        gone = min(self.amount, self.refunded + self.disputed)
        return self.credits - math.ceil(Fraction(self.credits * gone, self.amount))

    @property
    def status(self) -> str:
        if not self.fits and any(kind.endswith("completed") for kind, _ in self.story.events):
            return "review"
        if self.is_paid and self.disputed:
            return "disputed"
        if self.is_paid and self.refunded >= self.amount:
            return "refunded"
        return self.story.status


@dataclass(frozen=True)
class World:
    sales: tuple[Sale, ...]
    events: tuple[Told, ...] = field(repr=False)


def _event(event_id: str, kind: str, data_object: Json, version: str | None) -> Json:
    return {
        "id": event_id,
        "object": "event",
        "api_version": version,
        "data": {"object": data_object},
        "livemode": False,
        "type": kind,
    }


def _session(sale: Sale, payment_status: str, kind: str, *, expanded: bool) -> Json:
    total = sale.amount if sale.fits else sale.amount + 1
    intent: Any = sale.payment_intent_id
    if kind.endswith("expired"):
        intent = None
    elif expanded:
        intent = {"id": intent, "object": "payment_intent"}
    return {
        "id": sale.session_id,
        "object": "checkout.session",
        "amount_subtotal": total,
        "amount_total": total,
        "currency": "usd",
        "livemode": False,
        "metadata": {"flask_stripe_credits": "local", "purchase_id": str(sale.id)},
        "mode": "payment",
        "payment_intent": intent,
        "payment_status": payment_status,
        "status": "expired" if kind.endswith("expired") else "complete",
    }


def _refund(sale: Sale, refund: Reversal, status: str) -> Json:
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "currency": refund.currency,
        "payment_intent": sale.payment_intent_id,
        "status": status,
    }


def _dispute(sale: Sale, dispute: Reversal, status: str, moved: int | None) -> Json:
    document: Json = {
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "currency": dispute.currency,
        "payment_intent": {"id": sale.payment_intent_id} if moved is None else None,
        "status": status,
    }
    if moved is not None:
        transactions = [{"id": f"txn_{number}"} for number in range(moved)]
        document |= {
            "balance_transactions": transactions,
            "payment_intent": sale.payment_intent_id,
        }
    return document


def _hint(sale: Sale, refunds: Iterable[Json], event_id: str, version: str | None) -> Told:
    """``charge.refunded``, with the refunds in it up to 2022 and without them since."""
    listed = tuple(refunds)
    charge: Json = {
        "id": f"ch_{sale.number}",
        "object": "charge",
        "payment_intent": sale.payment_intent_id,
        "amount_refunded": sum(
            refund["amount"] for refund in listed if refund["status"] not in ("failed", "canceled")
        ),
    }
    if version == "2019-12-03":
        bare = [{**refund, "payment_intent": None} for refund in listed]
        charge["refunds"] = {"object": "list", "data": bare, "has_more": False}
    return Told(_event(event_id, "charge.refunded", charge, version), listed)


class _Teller:
    """Tells one sale after the other, with event ids of its own."""

    def __init__(self, random: Random, first: int) -> None:
        self.random = random
        self.first = first
        self.events: list[Told] = []

    @property
    def next_id(self) -> str:
        return f"evt_{self.first}_{len(self.events)}"

    def tell(self, kind: str, data_object: Json, version: str | None = VERSIONS[-2]) -> None:
        self.events.append(Told(_event(self.next_id, kind, data_object, version)))

    def session(self, sale: Sale) -> None:
        version = self.random.choice(VERSIONS)
        for kind, payment_status in sale.story.events:
            data_object = _session(sale, payment_status, kind, expanded=version == VERSIONS[1])
            self.tell(kind, data_object, version)

    def refunds(self, sale: Sale, told: list[tuple[Reversal, RefundStory]]) -> None:
        now: dict[str, Json] = {}
        hints = sale.hinted or self.random.choice(_EITHER)
        version = self.random.choice(VERSIONS)
        for refund, story in told:
            for kind, status in story.events:
                now[refund.id] = _refund(sale, refund, status)
                if not sale.hinted:
                    self.tell(kind, now[refund.id], version)
                if hints:
                    self.events.append(_hint(sale, now.values(), self.next_id, version))

    def disputes(self, sale: Sale, told: list[tuple[Reversal, DisputeStory]]) -> None:
        for dispute, story in told:
            old = story.told_by_events and self.random.choice(_EITHER)
            for kind, status, moved in story.events:
                document = _dispute(sale, dispute, status, None if old else moved)
                self.tell(kind, document, VERSIONS[0] if old else VERSIONS[-2])


def make_world(random: Random, first: int = 1) -> World:
    """Make up a world, with its events in the order in which they happened.

    :param random: one with a seed, or what hypothesis draws, whose worlds get smaller.
    :param first: the number of the first sale, which ids are made of; the next world of the same
        database takes a hundred more.
    """
    teller = _Teller(random, first)
    sales = [_make_sale(teller, first + index) for index in range(random.randint(1, 3))]
    _make_noise(teller, sales)
    return World(tuple(sales), tuple(teller.events))


def _make_sale(teller: _Teller, number: int) -> Sale:
    random = teller.random
    sale = Sale(
        number,
        credits=random.choice(_CREDITS),
        amount=random.choice(_AMOUNTS),
        story=random.choice(SESSIONS),
        knows_session=random.choice(_EITHER),
        fits=random.choice([True] * 7 + [False]),
        hinted=random.choice([False] * 3 + [True]),
    )
    teller.session(sale)
    if not any(kind.endswith("completed") for kind, _ in sale.story.events):
        return sale
    # When Stripe is asked later than it said, it may answer what we don't understand yet.
    possible = [story for story in REFUNDS if story.is_understood or not sale.hinted]
    refunds = [
        (_make_reversal(f"re_{number}_{index}", sale, story, random), story)
        for index, story in enumerate(random.choices(possible, k=random.randint(0, 3)))
    ]
    disputes = [
        (_make_reversal(f"du_{number}_{index}", sale, story, random), story)
        for index, story in enumerate(random.choices(DISPUTES, k=random.randint(0, 2)))
    ]
    teller.refunds(sale, refunds)
    teller.disputes(sale, disputes)
    return replace(
        sale,
        refunds=tuple(refund for refund, _ in refunds),
        disputes=tuple(dispute for dispute, _ in disputes),
    )


def _make_reversal(
    key: str, sale: Sale, story: RefundStory | DisputeStory, random: Random
) -> Reversal:
    # A list of refunds is judged as a whole.
    currency = "usd" if sale.hinted else random.choice(["usd"] * 9 + ["eur"])
    return Reversal(key, _part(sale, random), story.live and currency == "usd", currency)


def _part(sale: Sale, random: Random) -> int:
    """A part of a payment: all, a half, a cent, anything; now and then more than there was."""
    total = sale.amount
    usual = [total, max(1, total // 2), 1, max(1, total - 1), total + 1]
    return random.choice([*usual, random.randint(1, total)])


def _make_noise(teller: _Teller, sales: list[Sale]) -> None:
    """What others do on the same account, and a session of a lost attempt of ours."""
    stranger = Sale(0, 10, 10, SESSIONS[0])
    foreign = Reversal("re_foreign", 5, True)
    kinds = teller.random.choices(["session", "refund", "dispute", "another"], k=2)
    if "session" in kinds:
        session = _session(stranger, "paid", "completed", expanded=False) | {"metadata": {}}
        teller.tell("checkout.session.completed", session)
    if "refund" in kinds:
        teller.tell("refund.created", _refund(stranger, foreign, "succeeded"))
    if "dispute" in kinds:
        dispute = _dispute(stranger, foreign, "needs_response", 1) | {"id": "du_foreign"}
        teller.tell("charge.dispute.funds_withdrawn", dispute)
    if "another" in kinds and sales[0].knows_session:
        other = _session(sales[0], "paid", "completed", expanded=False)
        other |= {"id": "cs_test_other", "payment_intent": "pi_other"}
        teller.tell("checkout.session.completed", other)


def shuffled(world: World, random: Random, most_duplicates: int = 6) -> list[Told]:
    """Every event at least once, in any order."""
    order = list(world.events)
    again = [random.choice(order) for _ in range(random.randint(0, most_duplicates)) if order]
    order += again
    random.shuffle(order)
    return order
