"""The rows of ``credit_packages``: reading them, and making them what a file says."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..errors import PackageNotFound
from ..models import Models
from ..unit_of_work import UnitOfWork
from .file import PackageSpec, is_package_code

Row = Mapping[str, Any]


def active_packages(session: Session | UnitOfWork, models: Models) -> list[Row]:
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
    packages = uow.models.table(uow.models.Package)
    if is_package_code(package_code):
        found = _rows(
            uow,
            sa.select(packages).where(
                packages.c.package_code == package_code, packages.c.is_active
            ),
        )
        if found:
            return found[0]
    raise PackageNotFound(package_code)


def _in_order(packages: sa.Table) -> sa.Select[Any]:
    return sa.select(packages).order_by(packages.c.display_order, packages.c.package_code)


def _rows(uow: UnitOfWork, statement: sa.Select[Any]) -> list[Row]:
    return cast(list[Row], uow.execute(statement).mappings().all())


class Kind(StrEnum):
    """What loading did to a package."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """What loading did to one package.

    :ivar fields: column → its value before and after; of a new package, None before.
    """

    package_code: str
    kind: Kind
    fields: Mapping[str, tuple[Any, Any]]


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
    """
    packages = uow.models.table(uow.models.Package)
    _keep_others_from_loading(uow, packages)
    rows = {row["package_code"]: row for row in all_packages(uow)}
    changes = []
    for display_order, spec in enumerate(specs, start=1):
        values = {**asdict(spec), "display_order": display_order}
        change = _compare(rows.get(spec.package_code), values)
        if change.kind is not Kind.UNCHANGED:
            _write(uow, packages, change)
            _audit(uow, change, actor)
        changes.append(change)
    named = {spec.package_code for spec in specs}
    return Loaded(tuple(changes), tuple(code for code in rows if code not in named))


def _keep_others_from_loading(uow: UnitOfWork, packages: sa.Table) -> None:
    """Let two loads of one new package follow each other. SQLite has one writer anyway."""
    dialect = uow.connection.dialect
    if dialect.name == "postgresql":
        name = dialect.identifier_preparer.format_table(packages)
        uow.execute(sa.text(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"))


def _compare(row: Row | None, values: dict[str, Any]) -> Change:
    code = values["package_code"]
    if values["is_active"] is None:
        values["is_active"] = row is None or row["is_active"]
    if row is None:
        return Change(code, Kind.CREATED, {name: (None, value) for name, value in values.items()})
    changed = {name: (row[name], value) for name, value in values.items() if row[name] != value}
    if changed.keys() & {"unit_amount", "currency"} and row["stripe_price_id"] is not None:
        changed["stripe_price_id"] = (row["stripe_price_id"], None)
    return Change(code, Kind.UPDATED if changed else Kind.UNCHANGED, changed)


def _write(uow: UnitOfWork, packages: sa.Table, change: Change) -> None:
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
    after = {name: value for name, (_, value) in change.fields.items()}
    uow.execute(
        uow.sql.insert_audit,
        {
            "created_at": uow.now,
            "actor": actor,
            "action": f"package.{change.kind}",
            "purchase_id": None,
            "details": {
                "package_code": change.package_code,
                "before": before if change.kind is Kind.UPDATED else None,
                "after": after,
            },
        },
    )


def spec_of(row: Row) -> PackageSpec:
    """Return what a file would say of this package."""
    return PackageSpec(**{name: row[name] for name in PackageSpec.__slots__})
