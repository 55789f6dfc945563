"""What the reference says that follows from an event, and what a signal tells, really does.

Each event of ``reference/webhook-events.md`` is delivered; the statuses, signals and reasons that
its line names have to come of it, and no others.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from blinker import NamedSignal

from flask_stripe_credits import signals
from flask_stripe_credits.facts import PurchaseStatus
from flask_stripe_credits.webhooks.handlers import HANDLERS

from ..hosts import PREFIX, Host
from ..payloads import checkout_session, dispute, event, refund
from .pages import codes, read, tables

Json = dict[str, Any]
SIGNALS = {value.name: value for value in vars(signals).values() if isinstance(value, NamedSignal)}
REASONS = {"purchase", "refund", "refund_failed", "dispute", "dispute_won"}
# After every grant, and of no event in particular.
NOT_TOLD = {"grant_committed"}
WORDS = set(PurchaseStatus) | set(SIGNALS) | REASONS

PARTIAL = 400


class Story:
    """The events about one purchase, made of one session, one refund and one dispute."""

    def __init__(self, purchase: Json) -> None:
        self.session = checkout_session(purchase)
        self.payment: str = self.session["payment_intent"]
        self.refund = refund(self.payment, purchase["unit_amount"])
        self.dispute = dispute(self.payment, purchase["unit_amount"])

    def of_session(self, what: str, **values: Any) -> Json:
        return event(f"checkout.session.{what}", self.session | values)

    def of_refund(self, what: str, **values: Any) -> Json:
        return event(what, self.refund | values)

    def of_dispute(self, what: str, withdrawals: int = 1, **values: Any) -> Json:
        told = dispute(self.payment, 1000, withdrawals=withdrawals, **values)
        return event(f"charge.dispute.{what}", told | {"id": self.dispute["id"]})

    def of_charge(self) -> Json:
        refunds = {"object": "list", "data": [self.refund | {"amount": PARTIAL}], "has_more": False}
        charge = {
            "id": self.refund["charge"],
            "object": "charge",
            "amount": 1000,
            "amount_refunded": PARTIAL,
            "livemode": False,
            "payment_intent": self.payment,
            "refunded": False,
            "refunds": refunds,
        }
        return event("charge.refunded", charge)

    @property
    def paid(self) -> Json:
        return self.of_session("completed")

    @property
    def delayed(self) -> Json:
        return self.of_session("completed", payment_status="unpaid")


def _refunded(type_: str) -> list[Callable[[Story], list[Json]]]:
    """In part, in full, and one that fails after all."""
    return [
        lambda of: [of.paid, of.of_refund(type_, amount=PARTIAL)],
        lambda of: [of.paid, of.of_refund(type_)],
        lambda of: [of.paid, of.of_refund("refund.created"), of.of_refund(type_, status="failed")],
    ]


# Type → what may come before it; the last event of each is the one that is looked at.
STORIES: dict[str, list[Callable[[Story], list[Json]]]] = {
    "checkout.session.completed": [lambda of: [of.paid], lambda of: [of.delayed]],
    "checkout.session.async_payment_succeeded": [
        lambda of: [of.delayed, of.of_session("async_payment_succeeded")]
    ],
    "checkout.session.async_payment_failed": [
        lambda of: [of.delayed, of.of_session("async_payment_failed", payment_status="unpaid")]
    ],
    "checkout.session.expired": [
        lambda of: [of.of_session("expired", payment_status="unpaid", status="expired")]
    ],
    "refund.created": _refunded("refund.created")[:2],
    "refund.updated": _refunded("refund.updated"),
    "refund.failed": _refunded("refund.failed")[2:],
    "charge.refund.updated": _refunded("charge.refund.updated"),
    "charge.refunded": [lambda of: [of.paid, of.of_charge()]],
    "charge.dispute.created": [
        lambda of: [of.paid, of.of_dispute("created", 0)],
        lambda of: [of.paid, of.of_dispute("created")],
    ],
    "charge.dispute.updated": [lambda of: [of.paid, of.of_dispute("updated")]],
    "charge.dispute.closed": [
        lambda of: [of.paid, of.of_dispute("closed", status="lost")],
        lambda of: [of.paid, of.of_dispute("created"), of.of_dispute("closed", 2, status="won")],
    ],
    "charge.dispute.funds_withdrawn": [lambda of: [of.paid, of.of_dispute("funds_withdrawn")]],
    "charge.dispute.funds_reinstated": [
        lambda of: [of.paid, of.of_dispute("created"), of.of_dispute("funds_reinstated", 2)]
    ],
}


class Ear:
    """Hears every signal of one app, with the names of what it was told."""

    def __init__(self, host: Host) -> None:
        self.heard: list[tuple[str, tuple[str, ...]]] = []
        self._receivers = []
        for name, signal in SIGNALS.items():
            receiver = self._receiver(name)
            self._receivers.append(receiver)
            signal.connect(receiver, sender=host.app)

    def _receiver(self, name: str) -> Callable[..., None]:
        def hear(sender: object, **told: Any) -> None:
            self.heard.append((name, tuple(told)))

        return hear

    def names(self) -> set[str]:
        found = {name for name, _ in self.heard}
        self.heard.clear()
        return found


def documented() -> dict[str, tuple[set[str], bool, str]]:
    """Event → the words of its line, whether it adds to the line before, and the answer."""
    rows = next(tables(read("reference/webhook-events.md")))[1:]
    found = {}
    for name, _, follows, answer in rows:
        found[name.strip("`")] = (
            set(codes(follows)) & WORDS,
            follows.startswith("likewise"),
            answer,
        )
    return found


def effects(host: Host, ear: Ear, story: Callable[[Story], list[Json]]) -> set[str]:
    purchase = host.add_purchase()
    *before, last = story(Story(purchase))
    for earlier in before:
        assert host.post_event(earlier).json == {"received": True, "verdict": "handled"}
    ear.names()
    was, had = host.purchase(purchase["id"])["status"], host.grants(purchase_id=purchase["id"])
    answer = host.post_event(last)
    assert (answer.status_code, answer.json["verdict"]) == (200, "handled")
    now = host.purchase(purchase["id"])["status"]
    reasons = {one["reason"] for one in host.grants(purchase_id=purchase["id"])[len(had) :]}
    return (ear.names() - NOT_TOLD) | reasons | ({now} if now != was else set())


def test_every_event_does_what_its_line_says(sqlite_host: Host) -> None:
    page, ear = documented(), Ear(sqlite_host)
    assert set(STORIES) == set(HANDLERS) == set(page) - {"anything else"}
    before: set[str] = set()
    for type_, stories in STORIES.items():
        own, likewise, answer = page[type_]
        said = own | before if likewise else own
        done = set(itertools.chain(*(effects(sqlite_host, ear, story) for story in stories)))
        assert own <= done <= said, f"{type_}: {sorted(done)}, and the page says {sorted(said)}"
        assert answer == "200 `handled`"
        before = said
    sqlite_host.assert_exact()


def test_every_signal_tells_what_its_line_says(small_shop: Host) -> None:
    ear = Ear(small_shop)
    ordered = small_shop.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
    assert ordered.status_code == 201
    for story in itertools.chain.from_iterable(STORIES.values()):
        for one in story(Story(small_shop.add_purchase())):
            small_shop.post_event(one)
    small_shop.pay(small_shop.add_purchase(), currency="eur")
    small_shop.post_event(event("customer.created", {"id": "cus_1", "object": "customer"}))
    told = {}
    for name, arguments in ear.heard:
        assert told.setdefault(name, arguments) == arguments
    rows = [row for table in tables(read("reference/signals.md")) for row in table[1:]]
    said = {row[0].strip("`"): row[2] for row in rows}
    assert set(told) == set(said)
    for name, arguments in told.items():
        assert tuple(codes(said[name])) == arguments, name
