"""Changing rows of ``credit_packages``, each change with its line in the audit log."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import sqlalchemy as sa

from ..notices import log_act
from ..unit_of_work import UnitOfWork

Row = Mapping[str, Any]

# What a Price at Stripe is made of: with another of these it is another Price.
_PRICED_BY = {"unit_amount", "currency"}


class Kind(StrEnum):
    """What became of a package."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one package.

    :ivar fields: column → its value before and after; of a new package, None before.
    """

    package_code: str
    kind: Kind
    fields: Mapping[str, tuple[Any, Any]]


def lock_all(uow: UnitOfWork) -> None:
    """Keep everybody else from changing or adding packages. SQLite has one writer anyway."""
    _lock_table(uow, "SHARE ROW EXCLUSIVE")


def lock_one(uow: UnitOfWork, package_code: str) -> Row | None:
    """Return a package that nobody else changes meanwhile, None when there is none.

    Buyers aren't kept waiting: their purchases may refer to the row.
    """
    # Waits for whoever has locked all: the other way round, the two would wait for each other.
    _lock_table(uow, "ROW EXCLUSIVE")
    packages = uow.models.table(uow.models.Package)
    found = uow.execute(
        sa.select(packages)
        .where(packages.c.package_code == package_code)
        .with_for_update(key_share=True)
    )
    return cast(Row | None, found.mappings().first())


def _lock_table(uow: UnitOfWork, mode: str) -> None:
    dialect = uow.connection.dialect
    if dialect.name == "postgresql":
        packages = uow.models.table(uow.models.Package)
        name = dialect.identifier_preparer.format_table(packages)
        uow.execute(sa.text(f"LOCK TABLE {name} IN {mode} MODE"))


def change_to(uow: UnitOfWork, row: Row | None, values: Row, *, actor: str) -> Change:
    """Make the package what ``values`` say, and write who did it. Safe to repeat.

    A new price or currency takes the Stripe price away until the next sync.

    :param row: the package as it is, locked; None for a new one, whose ``values`` name them all.
    """
    change = _compare(row, values)
    if change.kind is not Kind.UNCHANGED:
        _write(uow, change)
        _audit(uow, change, actor)
    return change


def _compare(row: Row | None, values: Row) -> Change:
    if row is None:
        new = {name: (None, value) for name, value in values.items()}
        return Change(values["package_code"], Kind.CREATED, new)
    changed = {name: (row[name], value) for name, value in values.items() if row[name] != value}
    if changed.keys() & _PRICED_BY and row["stripe_price_id"] is not None:
        changed["stripe_price_id"] = (row["stripe_price_id"], None)
    kind = Kind.UPDATED if changed else Kind.UNCHANGED
    return Change(row["package_code"], kind, changed)


def _write(uow: UnitOfWork, change: Change) -> None:
    packages = uow.models.table(uow.models.Package)
    values = {name: after for name, (_, after) in change.fields.items()} | {"updated_at": uow.now}
    if change.kind is Kind.CREATED:
        new = {"id": uuid.uuid4(), "created_at": uow.now}
        uow.execute(sa.insert(packages).values({**values, **new}))
    else:
        uow.execute(
            sa.update(packages).where(packages.c.package_code == change.package_code).values(values)
        )


def _audit(uow: UnitOfWork, change: Change, actor: str) -> None:
    before = {name: value for name, (value, _) in change.fields.items()}
    details = {
        "package_code": change.package_code,
        "before": None if change.kind is Kind.CREATED else before,
        "after": {name: value for name, (_, value) in change.fields.items()},
    }
    log_act(uow, actor, f"package.{change.kind}", None, details)
