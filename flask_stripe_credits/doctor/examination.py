"""Run the checks one after the other: none may raise, hang or spoil another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ..deadlines import run_within
from ..errors import StripeCreditsError
from ..logs import Log
from .findings import Finding, Level, error, skipped
from .patient import Patient

log: Log = Log(__name__)

CHECK_SECONDS = 8.0
ALL_SECONDS = 25.0


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the app.

    :ivar id: stable, for machines.
    :ivar title: for people.
    :ivar examine: answers it; may raise whatever it likes.
    :ivar needs: earlier checks without which this one would only say the same again.
    """

    id: str
    title: str
    examine: Callable[[Patient], Iterable[Finding]]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A finding, and the check that it is of."""

    check: Check
    finding: Finding


def examine(patient: Patient, checks: Sequence[Check]) -> Iterator[Line]:
    """Yield what every check finds, in at most about 25 s. Changes nothing anywhere.

    What needs a check that failed is skipped and says so. What raises or doesn't answer in time
    is an error of its own.
    """
    deadline = time.monotonic() + ALL_SECONDS
    unsound: dict[str, str] = {}
    for check in checks:
        root = next((unsound[need] for need in check.needs if need in unsound), None)
        if root is not None:
            findings = [skipped(f"not checked because of {root}")]
        elif (seconds := min(CHECK_SECONDS, deadline - time.monotonic())) <= 0:
            findings = [skipped("not checked because the others took too long")]
        else:
            findings = _within(seconds, patient, check)
        if any(one.level in (Level.ERROR, Level.SKIPPED) for one in findings):
            unsound[check.id] = root or check.id
        for finding in findings:
            yield Line(check, finding)


def _within(seconds: float, patient: Patient, check: Check) -> list[Finding]:
    def run() -> list[Finding]:
        with patient.app.app_context():
            return _findings(patient, check)

    try:
        return run_within(seconds, run) or [error("the check found nothing to say")]
    except TimeoutError:
        return [error(f"no answer within {seconds:.0f} s", "what it asks hangs: is it reachable?")]


def _findings(patient: Patient, check: Check) -> list[Finding]:
    try:
        return list(check.examine(patient))
    except StripeCreditsError as trouble:
        return [error(str(trouble))]
    except sa.exc.DBAPIError as trouble:
        return [error(f"the database refused: {reason_of(trouble)}")]
    except Exception as trouble:
        log.exception("doctor_check_failed", "the check %s failed", check.id)
        return [error(f"the check itself failed: {type(trouble).__name__}; the log says more")]


def reason_of(trouble: sa.exc.DBAPIError) -> str:
    """The first line of what the database said."""
    return str(trouble.orig).strip().partition("\n")[0]
