"""One made-up purchase: what it is told, and the rows that follow from it."""

from __future__ import annotations

import datetime as dt
import functools
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..facts import (
    Funds,
    Reasons,
    Reversals,
    Verdict,
    dispute_rank,
    dispute_takes,
    posts_nothing,
    refund_rank,
    refund_takes,
    results_of,
    target,
)
from ..stripe_objects import Dispute, Refund
from .marks import new_stripe_id

Row = dict[str, Any]

_FIRST = Reasons()
_REFUND = Reasons("refund", "refund_failed")
_DISPUTE = Reasons("dispute", "dispute_won")


@dataclass(frozen=True, slots=True)
class World:
    """What all stories have in common.

    :ivar until: the moment at which they are cut off: nobody knows what comes later.
    """

    random: random.Random
    until: dt.datetime
    allow_free: bool
    api_version: str


class Story:
    """One purchase from its first click on.

    :ivar row: its row of ``credit_purchases``.
    :ivar grants, events, log, refunds, disputes: rows of those tables.
    """

    def __init__(self, world: World, row: Row) -> None:
        self.world = world
        self.row = row
        self.grants: list[Row] = []
        self.events: list[Row] = []
        self.log: list[Row] = []
        self.refunds: dict[str, Row] = {}
        self.disputes: dict[str, Row] = {}
        self.payment_intent_id: str | None = None
        self._posted = 0

    def reaches(self, at: dt.datetime) -> bool:
        """Whether ``at`` isn't in the future."""
        return at <= self.world.until

    def hear(
        self,
        at: dt.datetime,
        type: str,
        object_id: str | None,
        verdict: Verdict = Verdict.HANDLED,
        **columns: Any,
    ) -> str:
        """Put an event into the inbox; return its id."""
        random = self.world.random
        event_id = new_stripe_id(random, "evt")
        told = at + dt.timedelta(seconds=random.uniform(0.3, 2.5))
        row = {
            "stripe_event_id": event_id,
            "type": type,
            "object_id": object_id,
            "purchase_id": self.row["id"],
            "api_version": self.world.api_version,
            "verdict": verdict,
            # Now and then an answer is lost, and Stripe tells it again.
            "attempts": 2 if random.random() < 0.004 else 1,
            "error_class": None,
            "created": at.replace(microsecond=0),
            "received_at": told,
            "updated_at": told,
        }
        self.events.append(row | columns)
        return event_id

    def record(
        self,
        at: dt.datetime,
        changes: Mapping[str, Any],
        cause: str,
        *,
        reasons: Reasons = _FIRST,
        actor: str = "stripe",
        flag: str | None = None,
    ) -> None:
        """Record facts and post the difference, as :func:`..fulfillment.fulfill` does."""
        row, before = self.row, self.row["status"]
        row.update(changes)
        reversals = self._reversals()
        due = 0
        if not posts_nothing(row):
            due = target(row, reversals, allow_free=self.world.allow_free) - self._posted
        self._posted += due
        if due > 0 and row["completed_at"] is None:
            row["completed_at"] = at
        row.update(results_of(row, reversals, self._posted))
        row["updated_at"] = at
        if due != 0:
            self._grant(at, due, reasons, cause)
        elif row["status"] != before:
            details = {"from": before, "to": str(row["status"])}
            if flag is not None:
                details["reason"] = flag
            self.note(at, f"purchase.{row['status']}", actor, details | {"cause": cause})

    def _grant(self, at: dt.datetime, credits: int, reasons: Reasons, cause: str) -> None:
        sequence = len(self.grants) + 1
        reason = reasons.given if credits > 0 else reasons.taken
        self.grants.append(
            {
                "id": uuid.uuid5(self.row["id"], str(sequence)),
                "purchase_id": self.row["id"],
                "sequence": sequence,
                "user_id": self.row["user_id"],
                "credits": credits,
                "reason": "purchase" if sequence == 1 else reason,
                "cause": cause,
                "created_at": at,
                "delivered_at": at,
                "claimed_until": None,
                "attempts": 1,
                "next_attempt_at": None,
                "last_error": None,
                "package_code": self.row["package_code"],
            }
        )

    def note(
        self,
        at: dt.datetime,
        action: str,
        actor: str,
        details: Mapping[str, Any],
        **columns: Any,
    ) -> None:
        """Write a line of the audit log."""
        self.log.append(
            {
                "created_at": at,
                "actor": actor,
                "action": action,
                "purchase_id": self.row["id"],
                "details": details,
            }
            | columns
        )

    def refund(self, at: dt.datetime, refund_id: str, amount: int, status: str) -> None:
        """What Stripe tells of a refund of ``amount`` minor units."""
        known = self.refunds.get(refund_id)
        self.refunds[refund_id] = self._reversal(at, amount, known) | {
            "stripe_refund_id": refund_id,
            "status": status,
            "live_rank": _rank_of_refund(status),
        }
        type = "refund.created" if known is None else f"refund.{status}"
        self.record(at, {}, self.hear(at, type, refund_id), reasons=_REFUND)

    def dispute(
        self, at: dt.datetime, dispute_id: str, status: str, funds: Funds, type: str
    ) -> None:
        """What Stripe tells of a dispute of all that was paid."""
        self.disputes[dispute_id] = self._reversal(
            at, self.row["amount_paid"], self.disputes.get(dispute_id)
        ) | {
            "stripe_dispute_id": dispute_id,
            "status": status,
            "live_rank": _rank_of_dispute(status, funds),
        }
        cause = self.hear(at, f"charge.dispute.{type}", dispute_id)
        self.record(at, {}, cause, reasons=_DISPUTE)

    def _reversal(self, at: dt.datetime, amount: int, known: Row | None) -> Row:
        return {
            "stripe_payment_intent_id": self.payment_intent_id,
            "amount": amount,
            "currency": self.row["currency"],
            "created_at": at if known is None else known["created_at"],
            "updated_at": at,
            "package_code": self.row["package_code"],
        }

    def _reversals(self) -> Reversals:
        refunds, disputes = self.refunds.values(), self.disputes.values()
        return Reversals(
            sum(refund["amount"] for refund in refunds if refund_takes(refund["live_rank"])),
            sum(dispute["amount"] for dispute in disputes if dispute_takes(dispute["live_rank"])),
        )


@functools.cache
def _rank_of_refund(status: str) -> int:
    rank = refund_rank(Refund("", None, None, None, status))
    if rank is None:
        raise ValueError(f"no status of a refund: {status}")
    return rank


@functools.cache
def _rank_of_dispute(status: str, funds: Funds) -> int:
    return dispute_rank(Dispute("", None, None, None, status, 0), funds)
