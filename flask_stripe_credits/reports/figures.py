"""All figures of one period, put together: what the dashboard, ``stats`` and the API show.

What each figure counts, and which moment puts it into the period, is said once, in
``docs/reference/figures.md``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ..models import Models
from .credits import Credits, credits_in_steps
from .funnel import Funnel, funnel
from .health import Undelivered, Waiting, Webhooks, undelivered, waiting, webhooks
from .period import Bucket, Period, cut
from .sales import Sales, sales
from .takings import CurrencyFigures, average, money_figures


@dataclass(frozen=True, slots=True)
class PackageFigures:
    """What was paid for one package in one currency.

    :ivar package_name: as it is called now; None once it is deleted.
    """

    package_code: str
    package_name: str | None
    currency: str
    purchases: int
    gross: int
    credits: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Every figure of one period. Money is in minor units, credits are whole, times are UTC.

    :ivar since, until: the period as it was taken: from the first purchase, or until now, where
        it was open.
    :ivar starts: when the bucket of each step began. A first or last one may be cut short.
    :ivar package_code: the package that all but ``webhooks``, ``waiting`` and ``undelivered``
        are about; None for all.
    :ivar currencies: in the order of their codes; those that were ever paid in.
    :ivar purchases: how many were paid, over all currencies.
    :ivar credits_sold: the credits of these.
    :ivar credits: granted and taken back, whenever the purchase was.
    :ivar packages: most purchases first.
    """

    since: dt.datetime
    until: dt.datetime
    bucket: Bucket
    starts: tuple[dt.datetime, ...]
    package_code: str | None
    currencies: tuple[CurrencyFigures, ...]
    purchases: int
    credits_sold: int
    credits: Credits
    credits_in_steps: tuple[Credits, ...]
    packages: tuple[PackageFigures, ...]
    funnel: Funnel
    webhooks: Webhooks
    waiting: Waiting
    undelivered: Undelivered

    @property
    def average_credits(self) -> int | None:
        """Credits for each paid purchase, half a credit rounded up; None without purchases."""
        return average(self.credits_sold, self.purchases)


def figures(
    connection: sa.Connection,
    models: Models,
    period: Period,
    package_code: str | None = None,
    *,
    bucket: Bucket | None = None,
) -> Figures:
    """Return every figure of ``period``. Only reads.

    All of them are of one moment if the connection is that of :func:`~..reading.reading`.

    :param package_code: only purchases of this package; nothing if nobody ever bought it.
    :param bucket: how long a step of the series is; None: what suits the period.
    :raises InvalidFilter: the buckets are too short for the period.
    """
    now = dt.datetime.now(dt.UTC)
    until = now if period.until is None else min(period.until, now)
    since = period.since or _first_purchase(connection, models) or until
    steps = cut(since, until, bucket)
    sold = sales(connection, models, steps, package_code)
    credits = credits_in_steps(connection, models, steps, package_code)
    return Figures(
        since=steps.since,
        until=steps.until,
        bucket=steps.bucket,
        starts=steps.starts,
        package_code=package_code,
        currencies=money_figures(connection, models, steps, package_code, sold),
        purchases=sum(number for sale in sold for number, _, _ in sale.steps),
        credits_sold=sum(credits for sale in sold for _, _, credits in sale.steps),
        credits=sum(credits, Credits()),
        credits_in_steps=tuple(credits),
        packages=_packages(connection, models, sold),
        funnel=funnel(connection, models, steps, package_code),
        webhooks=webhooks(connection, models, steps),
        waiting=waiting(connection, models),
        undelivered=undelivered(connection, models),
    )


def _first_purchase(connection: sa.Connection, models: Models) -> dt.datetime | None:
    created_at = models.table(models.Purchase).c.created_at
    found: dt.datetime | None = connection.scalar(sa.select(sa.func.min(created_at)))
    return found


def _packages(
    connection: sa.Connection, models: Models, sold: Sequence[Sales]
) -> tuple[PackageFigures, ...]:
    c = models.table(models.Package).c
    rows = connection.execute(sa.select(c.package_code, c.package_name))
    names = {row.package_code: row.package_name for row in rows}
    found = [
        PackageFigures(
            sale.package_code,
            names.get(sale.package_code),
            sale.currency,
            *(sum(step[part] for step in sale.steps) for part in range(3)),
        )
        for sale in sold
    ]
    bought = [one for one in found if one.purchases]
    return tuple(sorted(bought, key=lambda one: (-one.purchases, one.package_code, one.currency)))
