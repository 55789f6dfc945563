"""What is bought: the packages of the catalogue, and two that nobody sells any more."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from ..catalog import all_packages
from ..catalog.file import default_catalog, parse_packages
from ..catalog.packages import load_packages
from ..facts import Row
from ..unit_of_work import UnitOfWork

ACTOR = "demo-data"

# By the order of display; what comes later sells like the last.
_WEIGHTS = (34, 38, 16, 6, 4)


@dataclass(frozen=True, slots=True)
class Ware:
    """A package as purchases keep it. ``unit_amount`` is minor units of ``currency``."""

    package_id: uuid.UUID | None
    package_code: str
    package_name: str
    description: str | None
    credits: int
    unit_amount: int
    currency: str
    stripe_price_id: str | None


_OF_OLD = (
    (Ware(None, "launch-eu", "Launch Pack Europe", None, 2_500, 2_190, "eur", None), 0.05),
    (Ware(None, "launch-jp", "Launch Pack Japan", None, 2_500, 3_400, "jpy", None), 0.01),
)


class Shelf:
    """All wares, and how well each sells."""

    def __init__(self, wares: Sequence[Ware]) -> None:
        weights = [_WEIGHTS[min(place, len(_WEIGHTS) - 1)] for place in range(len(wares))]
        of_old = sum(share for _, share in _OF_OLD)
        total = sum(weights) / (1 - of_old)
        self.wares: list[Ware] = [*wares, *(ware for ware, _ in _OF_OLD)]
        self._weights = [*weights, *(share * total for _, share in _OF_OLD)]

    def choose(self, random: random.Random) -> Ware:
        return random.choices(self.wares, self._weights)[0]


def fill_shelf(uow: UnitOfWork) -> Shelf:
    """Take what the catalogue has for sale; an empty one gets the default packages first."""
    if not all_packages(uow):
        load_packages(uow, parse_packages(default_catalog()), actor=ACTOR)
    return Shelf([_ware(row) for row in all_packages(uow) if row["is_active"]])


def _ware(row: Row) -> Ware:
    return Ware(
        row["id"],
        row["package_code"],
        row["package_name"],
        row["description"],
        row["credits"],
        row["unit_amount"],
        row["currency"],
        row["stripe_price_id"],
    )
