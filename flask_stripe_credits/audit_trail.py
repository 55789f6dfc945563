"""Whether grants and audit log together explain how a purchase came to be what it is. Pure.

A change of status either brings a grant or a line of the log, which says from what to what. So the
lines form a chain from ``pending`` to the status now, and where it is broken a grant must be. Lines
are in the order of their numbers, which were given under the purchase's lock; times of different
machines decide nothing here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .facts import PurchaseStatus, Reversals, Row, status_of
from .invariants import OVERDUE

# Only these bring grants, so only these can follow one.
_OF_PAID = (PurchaseStatus.COMPLETED, PurchaseStatus.REFUNDED, PurchaseStatus.DISPUTED)
_TOLD = ("session_completed_at", "failed_at", "expired_at")
_REPAIR = "reconcile"


@dataclass(frozen=True, slots=True)
class Trail:
    """What was written down about one purchase.

    :ivar lines: of the audit log, in the order of their numbers.
    :ivar grants: how many there are.
    :ivar requests: operators' for refunds.
    """

    lines: Sequence[Row] = ()
    grants: int = 0
    requests: Sequence[Row] = ()


def gaps_of(purchase: Row, trail: Trail) -> Iterator[str]:
    """Yield what nothing that was written down explains.

    :param purchase: the row with all facts in it.
    """
    changes = [line for line in trail.lines if _to(line) is not None]
    yield from _broken_chain(purchase, changes, trail.grants)
    if purchase["review_reason"] is not None:
        if PurchaseStatus.REVIEW not in map(_to, changes):
            yield "it was put in review, and no line says so"
    else:
        yield from _unsaid(purchase, changes)
    yield from _acts_without_a_line(purchase, trail)


def _broken_chain(purchase: Row, changes: Sequence[Row], grants: int) -> Iterator[str]:
    """Each break needs a grant, after which the purchase was a paid one."""
    status: str = PurchaseStatus.PENDING
    breaks: list[tuple[str, str]] = []
    for line in changes:
        before = line["details"].get("from")
        if before != status and not _is_repair(line):
            breaks.append((status, before))
        status = str(_to(line))
    if purchase["status"] != status:
        breaks.append((status, purchase["status"]))
    unexplained = [one for one in breaks if one[1] not in _OF_PAID] or breaks[grants:]
    for before, after in unexplained:
        yield f"nothing says how it came from {before} to {after}"


def _is_repair(line: Row) -> bool:
    """Somebody had written the status by hand, and it was computed again."""
    return str(line["details"].get("cause", "")).startswith(_REPAIR)


def _unsaid(purchase: Row, changes: Sequence[Row]) -> Iterator[str]:
    """What it must have been for a while before it was paid, by when its facts came."""
    times = sorted({purchase[name] for name in _TOLD if purchase[name] is not None})
    nothing_yet = dict.fromkeys(_TOLD) | {"paid_at": None}
    said = set(map(_to, changes))
    for at in times:
        # What came at nearly the same time may have been recorded the other way round.
        ends = [purchase["paid_at"], *(one for one in times if one > at)]
        if any(_over_before(end, at) for end in ends):
            continue
        known = {name: purchase[name] for name in _TOLD if _until(purchase[name], at)}
        status = status_of({**purchase, **nothing_yet, **known}, Reversals())
        if status not in said and status != PurchaseStatus.PENDING:
            yield f"it was {status} from {at:%Y-%m-%d %H:%M}, and no line says so"


def _until(moment: dt.datetime | None, at: dt.datetime) -> bool:
    return moment is not None and moment <= at


def _over_before(end: dt.datetime | None, at: dt.datetime) -> bool:
    return end is not None and end < at + OVERDUE


def _acts_without_a_line(purchase: Row, trail: Trail) -> Iterator[str]:
    decision, by = purchase["review_decision"], purchase["reviewed_by"]
    if decision is not None:
        line = (by, f"purchase.{decision}")
        if line not in [(one["actor"], one["action"]) for one in trail.lines]:
            yield f"{by} {decision} it, and no line says so"
    asked = {
        one["details"]["request_id"] for one in trail.lines if one["action"] == "refund.requested"
    }
    for request in trail.requests:
        if str(request["id"]) not in asked:
            yield f"{request['actor']} asked for refund {request['id']}, and no line says so"


def _to(line: Row) -> str | None:
    details = line["details"] or {}
    to: str | None = details.get("to") if line["action"].startswith("purchase.") else None
    return to
