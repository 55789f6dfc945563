"""What a comparison with Stripe finds, and what all of it adds up to."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What is different, or what somebody has to look at."""

    # Repaired by recording what Stripe says.
    PAID = "paid"
    PROCESSING = "processing"
    FAILED = "failed"
    EXPIRED = "expired"
    UNOPENED = "unopened"
    REFUND = "refund"
    DISPUTE = "dispute"
    RESULT = "result"
    CONTRADICTION = "contradiction"
    # Never repaired by itself.
    BREACH = "breach"
    MISSING = "missing"
    STRANGER = "stranger"
    ORPHAN = "orphan"
    REVIEW = "review"


NEEDS_SOMEBODY = frozenset(
    {
        Kind.CONTRADICTION,
        Kind.BREACH,
        Kind.MISSING,
        Kind.STRANGER,
        Kind.ORPHAN,
        Kind.REVIEW,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between Stripe and us.

    :ivar about: Stripe's id of what differs: a session, refund or dispute; None without one.
    :ivar credits: whole credits that recording it grants, negative when it takes them back.
    :ivar text: what differs, for people.
    :ivar repaired: whether what Stripe says is recorded now.
    :ivar error: why it couldn't be recorded.
    """

    kind: Kind
    text: str
    purchase_id: uuid.UUID | None = None
    user_id: str | None = None
    about: str | None = None
    credits: int = 0
    repaired: bool = False
    error: str | None = None

    @property
    def needs_somebody(self) -> bool:
        """Whether a person has to do something: no later run will mend it."""
        return self.kind in NEEDS_SOMEBODY or self.error is not None


@dataclass(slots=True)
class Totals:
    """What one run compared and found.

    :ivar compared: how many objects of Stripe's were read, by what they are.
    :ivar found: how many findings there were of each kind.
    :ivar granted: whole credits that were given, or would be, by what was found.
    :ivar taken: whole credits that were taken back, or would be.
    """

    compared: Counter[str] = field(default_factory=Counter)
    found: Counter[Kind] = field(default_factory=Counter)
    to_repair: int = 0
    repaired: int = 0
    errors: int = 0
    need_somebody: int = 0
    granted: int = 0
    taken: int = 0

    def add(self, finding: Finding) -> None:
        """Count one finding."""
        self.found[finding.kind] += 1
        self.errors += finding.error is not None
        self.need_somebody += finding.needs_somebody
        self.repaired += finding.repaired
        self.to_repair += not finding.repaired and finding.kind not in NEEDS_SOMEBODY
        if finding.error is None:
            self.granted += max(0, finding.credits)
            self.taken -= min(0, finding.credits)
