"""How credits are usually kept, and one right way that isn't ours: worlds tell them apart."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import Any

from .stories import DISPUTE, SESSION
from .worlds import Json, Sale, Told

_RANKS = {"pending": 10, "requires_action": 10, "succeeded": 11, "failed": 20, "canceled": 20}


class AddUp:
    """Add and subtract at every event; the status that came last wins."""

    def __init__(self, sales: tuple[Sale, ...]) -> None:
        self.sales = {sale.session_id: sale for sale in sales}
        self.balances: Counter[int] = Counter()
        self.statuses: dict[str, str] = {}
        self.payments: dict[str, Sale] = {}

    def deliver(self, told: Told) -> None:
        found = told.document["data"]["object"]
        if told.type.startswith(SESSION):
            self._session(told.type, found)
        elif told.type.startswith(("refund", "charge.refund.")):
            live = found["status"] in ("pending", "requires_action", "succeeded")
            self._move(found, -1 if live else 1)
        elif told.type == f"{DISPUTE}.funds_withdrawn":
            self._move(found, -1)
        elif told.type == f"{DISPUTE}.funds_reinstated":
            self._move(found, 1)

    def _session(self, kind: str, session: Json) -> None:
        sale = self.sales.get(session["id"])
        if sale is None or not sale.fits:
            return
        self.payments[sale.payment_intent_id] = sale
        paid = session["payment_status"] == "paid"
        if paid and self.statuses.get(sale.session_id) != "completed":
            self.balances[sale.number] += sale.credits
        self.statuses[sale.session_id] = "completed" if paid else kind

    def _move(self, reversal: Json, direction: int) -> None:
        sale = self.payments.get(_payment_intent(reversal))
        if sale is not None:
            self.balances[sale.number] += direction * _share(sale, reversal["amount"])

    def balance(self, sale: Sale) -> int:
        return self.balances[sale.number]


class AddUpOnce(AddUp):
    """The same, but every event id counts once."""

    def __init__(self, sales: tuple[Sale, ...]) -> None:
        super().__init__(sales)
        self.seen: set[str] = set()

    def deliver(self, told: Told) -> None:
        if told.document["id"] not in self.seen:
            self.seen.add(told.document["id"])
            super().deliver(told)


class Facts:
    """Keep facts that only grow, and compute: right. Each of those below leaves one thing out."""

    def __init__(self, sales: tuple[Sale, ...]) -> None:
        self.sales = {sale.session_id: sale for sale in sales}
        self.paid: set[int] = set()
        self.known: set[str] = set()
        self.ranks: dict[str, int] = {}
        self.reversals: dict[str, Json] = {}

    def deliver(self, told: Told) -> None:
        found = told.document["data"]["object"]
        if told.type.startswith(SESSION):
            self._session(found)
        elif told.type.startswith(DISPUTE):
            self._keep(found, 10 * self._funds(told.type, found))
        else:
            for refund in (found,) if told.listed is None else told.listed:
                self._keep(refund, _RANKS.get(refund["status"], 0))

    def _session(self, session: Json) -> None:
        sale = self.sales.get(session["id"])
        if sale is not None and sale.fits:
            self.known.add(sale.payment_intent_id)
            if session["payment_status"] == "paid":
                self.paid.add(sale.number)

    def _funds(self, kind: str, dispute: Json) -> int:
        told = {"lost": 1, "won": 2}.get(dispute["status"], 0)
        event = {f"{DISPUTE}.funds_withdrawn": 1, f"{DISPUTE}.funds_reinstated": 2}.get(kind, 0)
        return max(told, event, len(dispute.get("balance_transactions", ())))

    def _keep(self, reversal: Json, rank: int) -> None:
        if self._is_newer(reversal["id"], rank):
            self.ranks[reversal["id"]] = rank
            self.reversals[reversal["id"]] = reversal

    def _is_newer(self, key: str, rank: int) -> bool:
        return rank > self.ranks.get(key, 0)

    def _counts(self, reversal: Json) -> bool:
        return bool(reversal["currency"] == "usd")

    def _gone(self, sale: Sale) -> list[int]:
        return [
            reversal["amount"]
            for key, reversal in self.reversals.items()
            if 10 <= self.ranks[key] < 20
            and _payment_intent(reversal) == sale.payment_intent_id
            and self._counts(reversal)
        ]

    def balance(self, sale: Sale) -> int:
        if sale.number not in self.paid:
            return 0
        return sale.credits - _share(sale, min(sale.amount, sum(self._gone(sale))))


class LastWriteWins(Facts):
    """``ON CONFLICT DO UPDATE`` without a rank."""

    def _is_newer(self, key: str, rank: int) -> bool:
        return rank > 0


class FirstWriteWins(Facts):
    """``ON CONFLICT DO NOTHING``."""

    def _is_newer(self, key: str, rank: int) -> bool:
        return rank > 0 and key not in self.ranks


class ForgetsUnknownPayments(Facts):
    """A refund or dispute of a payment that nobody has heard of yet is dropped."""

    def _keep(self, reversal: Json, rank: int) -> None:
        if _payment_intent(reversal) in self.known:
            super()._keep(reversal, rank)


class RoundsEachReversal(Facts):
    def balance(self, sale: Sale) -> int:
        if sale.number not in self.paid:
            return 0
        return sale.credits - sum(_share(sale, amount) for amount in self._gone(sale))


class TakesMoreThanThereWas(Facts):
    def balance(self, sale: Sale) -> int:
        paid = sale.number in self.paid
        return sale.credits - _share(sale, sum(self._gone(sale))) if paid else 0


class TrustsDisputeEvents(Facts):
    """Only ``funds_withdrawn`` and ``funds_reinstated`` tell; the dispute itself isn't read."""

    def _funds(self, kind: str, dispute: Json) -> int:
        return super()._funds(kind, {"status": None})


class TakesCreditsForInquiries(Facts):
    def _funds(self, kind: str, dispute: Json) -> int:
        return max(super()._funds(kind, dispute), 1)


class CompletedIsPaid(Facts):
    """The guide: ``checkout.session.completed`` fires after the payment."""

    def _session(self, session: Json) -> None:
        paid = session["status"] == "complete"
        super()._session(session | {"payment_status": "paid" if paid else "unpaid"})


class EveryCurrencyIsOurs(Facts):
    def _counts(self, reversal: Json) -> bool:
        return True


class PendingRefundsDontCount(Facts):
    def _keep(self, reversal: Json, rank: int) -> None:
        pending = reversal["object"] == "refund" and rank == 10
        super()._keep(reversal, 0 if pending else rank)


NAIVE: tuple[Any, ...] = (
    AddUp,
    AddUpOnce,
    LastWriteWins,
    FirstWriteWins,
    ForgetsUnknownPayments,
    RoundsEachReversal,
    TakesMoreThanThereWas,
    TrustsDisputeEvents,
    TakesCreditsForInquiries,
    CompletedIsPaid,
    EveryCurrencyIsOurs,
    PendingRefundsDontCount,
)


def _payment_intent(reversal: Json) -> str:
    found = reversal["payment_intent"]
    return str(found["id"] if isinstance(found, dict) else found)


def _share(sale: Sale, amount: int) -> int:
    return math.ceil(Fraction(sale.credits * amount, sale.amount))
