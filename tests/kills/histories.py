"""What may become of one purchase of 1000 credits for 1000 cents, and the credits left in the end.

The credits are written down, not computed: they are what the code is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..payloads import checkout_session, event

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


PAID = History("paid", _paid, 1000)
PAID_LATE = History("paid late", _paid_late, 1000)
NEVER_PAID = History("never paid", _never_paid, 0)
SESSIONS = (PAID, PAID_LATE, NEVER_PAID)
