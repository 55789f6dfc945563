"""What the doctor says of a host, by the id of the check."""

from __future__ import annotations

from collections import defaultdict

from flask_stripe_credits.doctor import CHECKS, Finding, Level, Patient, examine

from ..hosts import Host

Findings = dict[str, list[Finding]]


def examined(
    host: Host, *ids: str, url: str | None = None, without: tuple[str, ...] = ()
) -> Findings:
    """Run the checks of these ids, and what they need but ``without``; without ids all of them."""
    chosen = [
        check
        for check in CHECKS
        if (not ids or check.id in needed(ids)) and check.id not in without
    ]
    found: Findings = defaultdict(list)
    for line in examine(Patient(host.app, host.state, url), chosen):
        found[line.check.id].append(line.finding)
    return found


def needed(ids: tuple[str, ...]) -> set[str]:
    """The ids themselves, and of those that they need, directly or not."""
    needs = {check.id: check.needs for check in CHECKS}
    found = set(ids)
    while more := {need for id in found for need in needs[id]} - found:
        found |= more
    return found


def only(host: Host, id: str, url: str | None = None) -> Finding:
    """The one finding of a check."""
    (finding,) = examined(host, id, url=url)[id]
    return finding


def level(host: Host, id: str) -> Level:
    return only(host, id).level
