"""What Stripe and the buyers did, in as few lines as it can be said: the model of the machine."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class Sale:
    """One checkout session.

    :ivar state: ``open``, ``waiting`` for a bank, ``paid``, ``failed`` or ``expired``.
    :ivar held: the credits that stay posted while nobody has decided, or for good.
    :ivar ruling: ``review`` while nobody has decided, ``dismissed`` then.
    :ivar refunds: amount and status by id.
    :ivar disputes: amount and status by id.
    """

    user: str
    package: str
    credits: int
    amount: int
    session_id: str
    purchase_id: str
    state: str = "open"
    held: int | None = None
    ruling: str | None = None
    refunds: dict[str, tuple[int, str]] = field(default_factory=dict)
    disputes: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def refunded(self) -> int:
        dead = ("failed", "canceled")
        return sum(amount for amount, status in self.refunds.values() if status not in dead)

    @property
    def disputed(self) -> int:
        gone = ("needs_response", "lost")
        return sum(amount for amount, status in self.disputes.values() if status in gone)

    @property
    def left(self) -> int:
        """What can still be refunded."""
        return self.amount - self.refunded if self.state == "paid" and not self.disputed else 0

    @property
    def balance(self) -> int:
        """The credits that its buyer should have when everything was told."""
        if self.held is not None:
            return self.held
        if self.state != "paid":
            return 0
        gone = min(self.amount, self.refunded + self.disputed)
        return self.credits - math.ceil(Fraction(self.credits * gone, self.amount))

    @property
    def status(self) -> str:
        if self.ruling == "review":
            return "review"
        if self.state != "paid":
            return {"open": "pending", "waiting": "processing"}.get(self.state, self.state)
        if self.disputed:
            return "disputed"
        return "refunded" if self.refunded >= self.amount else "completed"
