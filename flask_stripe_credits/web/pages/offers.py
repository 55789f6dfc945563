"""What the shop says of each package. Every claim is computed from what is really for sale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ...facts import Row
from ...money import smallest_step

PER_CREDITS = 1_000


@dataclass(frozen=True, slots=True)
class Card:
    """One package as it is shown.

    :ivar per_thousand: the price of 1,000 credits in minor units, rounded; None where that is
        less than the smallest coin.
    :ivar saving: whole percent, or 0: what the catalogue says if it says so of any package, else
        what a credit costs less than in the dearest package of this currency, rounded down.
    :ivar is_best_value: whether a credit costs less here than in every other package of the
        currency.
    """

    package_code: str
    name: str
    description: str | None
    credits: int
    unit_amount: int
    currency: str
    per_thousand: int | None
    saving: int
    is_best_value: bool


def cards_of(packages: Sequence[Row]) -> list[Card]:
    """Return the cards in the order of ``packages``."""
    stated = any(package["discount_percentage"] for package in packages)
    return [_card(package, packages, stated) for package in packages]


def _card(package: Row, packages: Sequence[Row], stated: bool) -> Card:
    prices = [_credit_price(one) for one in packages if one["currency"] == package["currency"]]
    own = _credit_price(package)
    return Card(
        package_code=package["package_code"],
        name=package["package_name"],
        description=package["description"],
        credits=package["credits"],
        unit_amount=package["unit_amount"],
        currency=package["currency"],
        per_thousand=_per_thousand(package),
        saving=package["discount_percentage"] if stated else _saving(own, max(prices)),
        is_best_value=len(prices) > 1 and own == min(prices) and prices.count(own) == 1,
    )


def _credit_price(package: Row) -> Fraction:
    return Fraction(package["unit_amount"], package["credits"])


def _per_thousand(package: Row) -> int | None:
    step = smallest_step(package["currency"])
    return round(_credit_price(package) * PER_CREDITS / step) * step or None


def _saving(own: Fraction, dearest: Fraction) -> int:
    return 0 if dearest == 0 else int((1 - own / dearest) * 100)
