"""What may become of one purchase of 1000 credits for 1000 cents, and the credits left in the end.

The credits are written down, not computed: they are what the code is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..payloads import checkout_session, dispute, event, refund

Document = dict[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """The events of one purchase, in any order, and the credits that its buyer keeps."""

    name: str
    events: Callable[[Row], list[Document]]
    credits: int


def _completed(purchase: Row) -> Document:
    return event("checkout.session.completed", checkout_session(purchase))


def _paid(purchase: Row) -> list[Document]:
    """One payment, told by two different events: who tells them apart by their ids grants twice."""
    other = event("checkout.session.async_payment_succeeded", checkout_session(purchase))
    return [_completed(purchase), other]


def _paid_late(purchase: Row) -> list[Document]:
    unpaid = checkout_session(purchase, payment_status="unpaid")
    return [event("checkout.session.completed", unpaid), *_paid(purchase)]


def _never_paid(purchase: Row) -> list[Document]:
    unpaid = checkout_session(purchase, payment_status="unpaid")
    return [
        event("checkout.session.completed", unpaid),
        event("checkout.session.async_payment_failed", unpaid),
    ]


def _payment_of(purchase: Row) -> str:
    payment_intent: str = checkout_session(purchase)["payment_intent"]
    return payment_intent


def _refunded(purchase: Row, *amounts: int) -> list[Document]:
    """Paid, then each refund told twice: when it began and when it had succeeded."""
    events = _paid(purchase)
    for amount in amounts:
        begun = refund(_payment_of(purchase), amount, status="pending")
        events.append(event("refund.created", begun))
        events.append(event("refund.updated", begun | {"status": "succeeded"}))
    return events


def _refund_failed(purchase: Row) -> list[Document]:
    made = refund(_payment_of(purchase), 1000)
    failed = event("refund.failed", made | {"status": "failed"})
    return [*_paid(purchase), event("refund.created", made), failed]


def _disputed(purchase: Row, ending: str, withdrawals: int) -> list[Document]:
    opened = dispute(_payment_of(purchase), 1000)
    ended = dispute(
        _payment_of(purchase), 1000, id=opened["id"], status=ending, withdrawals=withdrawals
    )
    return [
        *_paid(purchase),
        event("charge.dispute.created", opened),
        event("charge.dispute.closed", ended),
    ]


def _refunded_and_disputed(purchase: Row) -> list[Document]:
    disputed = dispute(_payment_of(purchase), 1000)
    return [*_refunded(purchase, 600), event("charge.dispute.funds_withdrawn", disputed)]


PAID = History("paid", _paid, 1000)
PAID_LATE = History("paid late", _paid_late, 1000)
NEVER_PAID = History("never paid", _never_paid, 0)
SESSIONS = (PAID, PAID_LATE, NEVER_PAID)
REFUNDED = History("refunded", lambda purchase: _refunded(purchase, 1000), 0)
REFUNDED_IN_PARTS = History("refunded in parts", lambda p: _refunded(p, 250, 333), 417)
REFUND_FAILED = History("refund failed", _refund_failed, 1000)
DISPUTE_LOST = History("dispute lost", lambda purchase: _disputed(purchase, "lost", 1), 0)
DISPUTE_WON = History("dispute won", lambda purchase: _disputed(purchase, "won", 2), 1000)
REFUNDED_AND_DISPUTED = History("refunded and disputed", _refunded_and_disputed, 0)
ALL = (
    *SESSIONS,
    REFUNDED,
    REFUNDED_IN_PARTS,
    REFUND_FAILED,
    DISPUTE_LOST,
    DISPUTE_WON,
    REFUNDED_AND_DISPUTED,
)
