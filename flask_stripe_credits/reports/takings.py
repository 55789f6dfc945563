"""The money of each currency: what came in, what went back, and what buyers are worth."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from ..models import Models
from .buyers import buyers_until
from .period import Steps
from .reversals import Reversed, disputes, refunds
from .sales import Sales


@dataclass(frozen=True, slots=True)
class Takings:
    """Money of one currency, in whole minor units. All parts are positive.

    :ivar purchases: how many were paid.
    :ivar gross: what buyers paid, after discount and with tax.
    :ivar refunded: what was refunded and hasn't failed.
    :ivar disputed: what banks withdrew and haven't returned.
    """

    purchases: int = 0
    gross: int = 0
    refunded: int = 0
    disputed: int = 0

    @property
    def net(self) -> int:
        """What is left; below zero where more went back than came in."""
        return self.gross - self.refunded - self.disputed

    @property
    def average(self) -> int | None:
        """Gross for each purchase, half a unit rounded up; None without purchases."""
        return average(self.gross, self.purchases)


@dataclass(frozen=True, slots=True)
class GoneBack:
    """Refunds, or disputes.

    :ivar number: how many took money that hasn't come back.
    :ivar amount: that money, in minor units.
    :ivar without_effect: how many more failed, were canceled or won, or moved no money.
    """

    number: int = 0
    amount: int = 0
    without_effect: int = 0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """What buyers are worth: everything until the end of the period, from the very beginning.

    :ivar buyers: users who paid at least once in this currency.
    """

    buyers: int
    takings: Takings

    @property
    def value(self) -> int | None:
        """Net for each buyer, half a unit rounded up; None without buyers."""
        return average(self.takings.net, self.buyers)


@dataclass(frozen=True, slots=True)
class CurrencyFigures:
    """The money figures of one currency; money of two currencies is never added up.

    :ivar steps: the same as ``total`` for each step of the period.
    """

    currency: str
    total: Takings
    steps: tuple[Takings, ...]
    refunds: GoneBack
    disputes: GoneBack
    lifetime: Lifetime


def average(total: int, number: int) -> int | None:
    """Return ``total / number`` as a whole number, halves rounded up; None if there is nothing."""
    return (2 * total + number) // (2 * number) if number else None


def money_figures(
    connection: sa.Connection,
    models: Models,
    steps: Steps,
    package_code: str | None,
    sold: Sequence[Sales],
) -> tuple[CurrencyFigures, ...]:
    """Return the money figures of every currency that was ever paid in.

    :param sold: what :func:`.sales.sales` found.
    """
    refunded = _by_currency(refunds(connection, models, steps, package_code))
    disputed = _by_currency(disputes(connection, models, steps, package_code))
    return tuple(
        _currency(
            currency,
            steps,
            [sale for sale in sold if sale.currency == currency],
            refunded[currency],
            disputed[currency],
            buyers_until(connection, models, steps.until, package_code, currency),
        )
        for currency in sorted({sale.currency for sale in sold})
    )


def _currency(
    currency: str,
    steps: Steps,
    sold: Sequence[Sales],
    refunded: Sequence[Reversed],
    disputed: Sequence[Reversed],
    buyers: int,
) -> CurrencyFigures:
    stretches = [
        Takings(sum(number for number, _, _ in each), sum(amount for _, amount, _ in each))
        for each in zip(*((sale.before, *sale.steps) for sale in sold), strict=True)
    ]
    for one in refunded:
        place = _place_of(one, steps)
        stretches[place] = replace(
            stretches[place], refunded=stretches[place].refunded + one.amount
        )
    for one in disputed:
        place = _place_of(one, steps)
        stretches[place] = replace(
            stretches[place], disputed=stretches[place].disputed + one.amount
        )
    before, *series = stretches
    total = _sum(series)
    return CurrencyFigures(
        currency=currency,
        total=total,
        steps=tuple(series),
        refunds=_gone_back(refunded),
        disputes=_gone_back(disputed),
        lifetime=Lifetime(buyers, _sum((before, total))),
    )


def _place_of(reversed: Reversed, steps: Steps) -> int:
    """Where it is among the stretches: the time before the period, then its steps."""
    if reversed.day is None:
        return 0
    # The day of the first one may have begun before its step, which is cut short then.
    return max(1, bisect.bisect_right(steps.edges, reversed.day))


def _sum(series: Iterable[Takings]) -> Takings:
    series = tuple(series)
    return Takings(
        purchases=sum(step.purchases for step in series),
        gross=sum(step.gross for step in series),
        refunded=sum(step.refunded for step in series),
        disputed=sum(step.disputed for step in series),
    )


def _gone_back(reversed: Iterable[Reversed]) -> GoneBack:
    within = [one for one in reversed if one.day is not None]
    return GoneBack(
        sum(one.number for one in within),
        sum(one.amount for one in within),
        sum(one.without_effect for one in within),
    )


def _by_currency(reversed: Iterable[Reversed]) -> dict[str, list[Reversed]]:
    found: dict[str, list[Reversed]] = defaultdict(list)
    for one in reversed:
        found[one.currency].append(one)
    return found
