"""How far the checkouts of a period got: read from the purchases that were opened in it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import sqlalchemy as sa

from ..facts import PurchaseStatus
from ..models import Models
from .period import Steps


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

    def of_status(status: PurchaseStatus) -> sa.ColumnElement[int]:
        return sa.func.count().filter(c.status == status).label(status)

    query = sa.select(
        sa.func.count().label("opened"),
        sa.func.count(c.paid_at).label("paid"),
        sa.func.count(c.completed_at).label("granted"),
        of_status(PurchaseStatus.PENDING),
        of_status(PurchaseStatus.PROCESSING),
        of_status(PurchaseStatus.EXPIRED),
        of_status(PurchaseStatus.FAILED),
        of_status(PurchaseStatus.REVIEW),
    ).where(c.created_at >= steps.since, c.created_at < steps.until)
    if package_code is not None:
        query = query.where(c.package_code == package_code)
    return Funnel(**connection.execute(query).mappings().one())
