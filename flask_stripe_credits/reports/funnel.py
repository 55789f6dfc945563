"""How far the checkouts of a period got: read from the purchases that were opened in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import sqlalchemy as sa

from ..facts import PurchaseStatus
from ..models import Models
from .known import values_of
from .period import Steps
from .stepwise import in_all


@dataclass(frozen=True, slots=True)
class Funnel:
    """What became, until now, of the purchases that were opened in the period.

    :ivar opened: all of them: somebody pressed the button.
    :ivar paid: Stripe said that it is paid, whatever went back later.
    :ivar granted: credits were granted for it, whatever was taken back later.
    :ivar pending: still open, or the buyer's way to Stripe was cut off.
    :ivar processing: the money of a bank debit is on its way.
    :ivar expired: abandoned: nobody paid in time.
    :ivar failed: a delayed payment failed, or an operator dismissed it.
    :ivar review: waits for an operator.
    """

    opened: int
    paid: int
    granted: int
    pending: int
    processing: int
    expired: int
    failed: int
    review: int

    def percent(self, part: int) -> Decimal | None:
        """Return which part of those opened this is, in percent to one place; None of nothing."""
        if not self.opened:
            return None
        share = Decimal(100 * part) / self.opened
        return share.quantize(Decimal("0.1"), ROUND_HALF_UP)


def funnel(
    connection: sa.Connection, models: Models, steps: Steps, package_code: str | None
) -> Funnel:
    """Return what became of the purchases that were opened within the steps."""
    c = models.table(models.Purchase).c
    counts = [sa.func.count(), sa.func.count(c.paid_at), sa.func.count(c.completed_at)]
    aggregates: Sequence[sa.ColumnElement[int]] = counts
    if package_code is not None:
        # As a condition of rows it would lead PostgreSQL to an index that lacks the others.
        aggregates = [count.filter(c.package_code == package_code) for count in counts]
    # Status by status the index is read in its order, and nothing has to be told apart.
    statuses = values_of(connection, c.status)
    found = in_all(connection, steps, c.created_at, aggregates, c.status, statuses)

    def opened(status: PurchaseStatus) -> int:
        return found[status][0] if status in found else 0

    return Funnel(
        opened=sum(opened for opened, _, _ in found.values()),
        paid=sum(paid for _, paid, _ in found.values()),
        granted=sum(granted for _, _, granted in found.values()),
        pending=opened(PurchaseStatus.PENDING),
        processing=opened(PurchaseStatus.PROCESSING),
        expired=opened(PurchaseStatus.EXPIRED),
        failed=opened(PurchaseStatus.FAILED),
        review=opened(PurchaseStatus.REVIEW),
    )
