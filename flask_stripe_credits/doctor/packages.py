"""What is for sale, here and at Stripe."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog import active_packages
from ..catalog.sync import plan_sync
from ..unit_of_work import in_transaction
from .findings import Finding, error, ok, warning
from .patient import Patient


def packages(patient: Patient) -> Iterator[Finding]:
    """Is anything for sale?"""
    found = in_transaction(patient.state, lambda uow: active_packages(uow, uow.models))
    if found:
        yield ok(f"for sale: {', '.join(package['package_code'] for package in found)}")
    else:
        yield error("nothing is for sale", command="flask credits packages load")


def prices(patient: Patient) -> Iterator[Finding]:
    """Does Stripe have the same packages at the same prices?"""
    plans = plan_sync(patient.state)
    wrong = [plan for plan in plans if plan.problem is not None]
    due = [plan for plan in plans if plan.steps]
    if wrong:
        yield error("; ".join(f"{plan.code}: {plan.problem}" for plan in wrong))
    elif due:
        told = (f"{plan.code}: {', '.join(plan.steps)}" for plan in due)
        yield warning("; ".join(told), command=patient.command("sync --apply"))
    else:
        for_sale = sum(plan.package["is_active"] for plan in plans)
        yield ok(f"{for_sale} packages have their price at Stripe")
