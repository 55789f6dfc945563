"""The rows of ``credit_packages``: reading them, and making them what a file says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..errors import PackageNotFound
from ..models import Models
from ..unit_of_work import UnitOfWork
from .changes import Change, Row, change_to, lock_all
from .file import PackageSpec
from .rules import check_actor, is_package_code


def active_packages(session: Session | UnitOfWork | sa.Connection, models: Models) -> list[Row]:
    """The packages that are for sale, in the order of display. Only reads."""
    packages = models.table(models.Package)
    found = session.execute(_in_order(packages).where(packages.c.is_active))
    return cast(list[Row], found.mappings().all())


def all_packages(uow: UnitOfWork) -> list[Row]:
    """All packages, in the order of display."""
    return _rows(uow, _in_order(uow.models.table(uow.models.Package)))


def find_active_package(uow: UnitOfWork, package_code: str) -> Row:
    """Return the row of a package that is for sale.

    :raises PackageNotFound: for any other code.
    """
    if is_package_code(package_code):
        found = uow.execute(uow.sql.find_active_package, {"package_code": package_code})
        row = cast(Row | None, found.mappings().first())
        if row is not None:
            return row
    raise PackageNotFound(package_code)


def _in_order(packages: sa.Table) -> sa.Select[Any]:
    return sa.select(packages).order_by(packages.c.display_order, packages.c.package_code)


def _rows(uow: UnitOfWork, statement: sa.Select[Any]) -> list[Row]:
    return cast(list[Row], uow.execute(statement).mappings().all())


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading did.

    :ivar absent: codes of packages that the file doesn't name; they were left alone.
    """

    changes: tuple[Change, ...]
    absent: tuple[str, ...]


def load_packages(uow: UnitOfWork, specs: Sequence[PackageSpec], *, actor: str) -> Loaded:
    """Make the packages what ``specs`` say; their order is the order of display.

    Writes an audit row for every package that changes. A new price or currency takes the
    Stripe price away until the next sync. Safe to repeat.

    :raises InvalidPackage: ``actor`` hasn't 1 to 255 characters.
    """
    check_actor(actor)
    lock_all(uow)
    rows = {row["package_code"]: row for row in all_packages(uow)}
    changes = []
    for display_order, spec in enumerate(specs, start=1):
        row = rows.get(spec.package_code)
        values = {**asdict(spec), "display_order": display_order}
        if spec.is_active is None:
            values["is_active"] = row is None or row["is_active"]
        changes.append(change_to(uow, row, values, actor=actor))
    named = {spec.package_code for spec in specs}
    return Loaded(tuple(changes), tuple(code for code in rows if code not in named))


def spec_of(row: Row) -> PackageSpec:
    """Return what a file would say of this package."""
    return PackageSpec(**{name: row[name] for name in PackageSpec.__slots__})
