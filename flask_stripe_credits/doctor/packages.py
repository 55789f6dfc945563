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
        yield error("nothing is for sale", command=patient.command("packages load"))


def prices(patient: Patient) -> Iterator[Finding]:
    """Does Stripe have the same packages at the same prices?"""
    plans = plan_sync(patient.state)
    problems = [plan for plan in plans if plan.problem is not None]
    due = [plan for plan in plans if plan.steps]
    yield from (error(f"{plan.code}: {plan.problem}") for plan in problems)
    if due:
        told = "; ".join(f"{plan.code}: {', '.join(plan.steps)}" for plan in due)
        command = patient.command("sync --apply")
        if any(plan.refuses_buyers for plan in due):
            yield error(told, "until then whoever buys it is answered with 502", command)
        else:
            yield warning(told, command=command)
    if not due and not problems:
        yield ok(f"{len(plans)} packages are at Stripe as they are here")
