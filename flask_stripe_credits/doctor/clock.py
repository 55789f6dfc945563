"""Whether our clock and Stripe's agree: signatures are refused when they don't."""

from __future__ import annotations

from collections.abc import Iterator

from .findings import Finding, error, ok, skipped, warning
from .patient import Patient

# Stripe tells the time to the second, and the answer was under way.
WORTH_A_WARNING_SECONDS = 15


def clock(patient: Patient) -> Iterator[Finding]:
    """How far is our clock off Stripe's?"""
    answer = patient.stripe
    if answer is None or answer.date is None:
        yield skipped("not checked because Stripe's answer doesn't tell the time")
        return
    off = round((answer.received - answer.date).total_seconds())
    tolerance = patient.state.settings.webhook_tolerance_seconds
    direction = "ahead of" if off > 0 else "behind"
    found = f"this machine's clock is {abs(off)} s {direction} Stripe's"
    if abs(off) >= tolerance:
        yield error(
            f"{found}: every webhook is refused, {tolerance} s are tolerated", "run NTP here"
        )
    elif abs(off) >= min(WORTH_A_WARNING_SECONDS, tolerance / 2):
        yield warning(f"{found}; from {tolerance} s on webhooks are refused", "run NTP here")
    else:
        yield ok(f"within {max(1, abs(off))} s of Stripe's")
