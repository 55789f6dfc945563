"""Change one package: the operator's hand, on the command line and over HTTP.

What is on sale changes at once; what is already open keeps what it was opened with. The twins at
Stripe follow at the next sync.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InvalidPackage, NoSuchPackage, PackageExists
from ..state import AppState
from ..unit_of_work import UnitOfWork, in_transaction
from .changes import Change, Row, change_to, lock_all, lock_one
from .rules import FIELDS, check_actor, is_package_code, missing_fields, wrong_fields, wrong_step

EDITABLE = tuple(name for name in FIELDS if name != "package_code")
_DEFAULTS = {
    "description": None,
    "discount_percentage": 0,
    "is_active": True,
    "display_order": 0,
}

Values = Mapping[str, Any]


def create_package(state: AppState, values: Values, *, actor: str) -> Change:
    """Make a new package. Commits, with a line in the audit log.

    Safe to repeat: the same again is ``unchanged``.

    :param values: of the columns ``package_code, package_name, description, credits`` (whole),
        ``unit_amount`` (whole minor units of ``currency``), ``currency, discount_percentage,
        is_active, display_order``; the last three, and the description, may be left out.
    :param actor: who does it, 1 to 255 characters.
    :raises InvalidPackage: a field is unknown, missing or wrong; says all that are.
    :raises PackageExists: there is a package with this code, and it isn't the same.
    :raises DatabaseBusy, TablesOutOfDate: nothing was changed.
    """
    values = _tidy(values)
    problems = [
        *wrong_fields(values, FIELDS),
        *missing_fields(values, FIELDS),
        *wrong_step(values.get("unit_amount"), values.get("currency")),
    ]
    check_actor(actor)
    _raise_any(problems)
    package = _DEFAULTS | values | {"description": values.get("description") or None}

    def create(uow: UnitOfWork) -> Change:
        lock_all(uow)
        row = lock_one(uow, package["package_code"])
        if row is not None and any(row[name] != value for name, value in package.items()):
            raise PackageExists(package["package_code"])
        return change_to(uow, row, package, actor=actor)

    return in_transaction(state, create)


def edit_package(
    state: AppState,
    package_code: str,
    values: Values | Callable[[Row], Values],
    *,
    actor: str,
) -> Change:
    """Change some fields of a package. Commits, with a line in the audit log if any differs.

    Safe to repeat, and beside other edits, which keep what they changed. A new price or currency
    takes the Stripe price away until the next sync.

    :param values: as for :func:`create_package`, only what is to change; the code can't. Or a
        function of the package's row that returns them, called while nobody else changes it.
    :raises NoSuchPackage: no package has this code.
    :raises InvalidPackage: a field is unknown or wrong; says all that are.
    :raises DatabaseBusy, TablesOutOfDate: nothing was changed.
    """

    check_actor(actor)

    def edit(uow: UnitOfWork) -> Change:
        row = lock_one(uow, package_code) if is_package_code(package_code) else None
        if row is None:
            raise NoSuchPackage(package_code)
        wanted = _tidy(values(row) if callable(values) else values)
        _raise_any(_wrong_changes(row, wanted))
        if "description" in wanted:
            wanted["description"] = wanted["description"] or None
        return change_to(uow, row, wanted, actor=actor)

    return in_transaction(state, edit)


def activate_package(state: AppState, package_code: str, *, actor: str) -> Change:
    """Put a package on sale. As :func:`edit_package`."""
    return edit_package(state, package_code, {"is_active": True}, actor=actor)


def deactivate_package(state: AppState, package_code: str, *, actor: str) -> Change:
    """Take a package off sale. As :func:`edit_package`; open checkouts can still be paid."""
    return edit_package(state, package_code, {"is_active": False}, actor=actor)


def _tidy(values: Values) -> dict[str, Any]:
    """None is no description."""
    tidy = dict(values)
    if tidy.get("description", "") is None:
        tidy["description"] = ""
    return tidy


def _wrong_changes(row: Row, wanted: dict[str, Any]) -> list[tuple[str, str]]:
    problems = []
    code = wanted.pop("package_code", row["package_code"])
    if code != row["package_code"]:
        problems.append(
            ("package_code", "package_code can't be changed: it names the package for ever")
        )
    problems += wrong_fields(wanted, EDITABLE)
    if not wanted.keys().isdisjoint(("unit_amount", "currency")):
        after = {**row, **wanted}
        problems += wrong_step(after["unit_amount"], after["currency"])
    return problems


def _raise_any(problems: list[tuple[str, str]]) -> None:
    told: dict[str, str] = {}
    for field, problem in problems:
        told.setdefault(field, problem)
    if told:
        raise InvalidPackage(told)
