"""What can happen to one checkout session, one refund and one dispute, and what Stripe tells of it.

Each story is what is true at the end, followed by the events that tell it, in order. The truth is
written down here by hand: it must not be computed by the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass

SESSION = "checkout.session"
DISPUTE = "charge.dispute"
NEW = "not_invented_yet"


@dataclass(frozen=True)
class SessionStory:
    """
    :ivar status: of the purchase, before refunds and disputes.
    :ivar events: type and ``payment_status`` of each.
    """

    status: str
    events: tuple[tuple[str, str], ...]

    @property
    def is_paid(self) -> bool:
        return self.status == "completed"


@dataclass(frozen=True)
class RefundStory:
    """
    :ivar live: whether the money is gone at the end.
    :ivar events: type and ``status`` of each.
    """

    live: bool
    events: tuple[tuple[str, str], ...]

    @property
    def is_understood(self) -> bool:
        return all(status != NEW for _, status in self.events)


@dataclass(frozen=True)
class DisputeStory:
    """
    :ivar live: whether the money is gone at the end.
    :ivar events: type, ``status`` and number of balance transactions of each.
    :ivar told_by_events: the events alone tell where the money is, as old API versions do.
    """

    live: bool
    events: tuple[tuple[str, str, int], ...]
    told_by_events: bool = True


_PAID, _UNPAID = (f"{SESSION}.completed", "paid"), (f"{SESSION}.completed", "unpaid")
_EXPIRED = (f"{SESSION}.expired", "unpaid")
_ASYNC_PAID = (f"{SESSION}.async_payment_succeeded", "paid")
_ASYNC_FAILED = (f"{SESSION}.async_payment_failed", "unpaid")

SESSIONS = (
    SessionStory("completed", (_PAID,)),
    SessionStory("completed", (_UNPAID, _ASYNC_PAID)),
    SessionStory("completed", (_UNPAID, _ASYNC_FAILED, _ASYNC_PAID)),
    SessionStory("completed", (_PAID, _ASYNC_PAID)),
    # Two deliveries of one fact under two event ids, and an expiry that was already on its way.
    SessionStory("completed", (_EXPIRED, _PAID, _PAID)),
    SessionStory("pending", ()),
    SessionStory("expired", (_EXPIRED,)),
    SessionStory("processing", (_UNPAID,)),
    SessionStory("processing", (_UNPAID, _EXPIRED)),
    SessionStory("failed", (_UNPAID, _ASYNC_FAILED)),
    # The failure is all that ever got to us.
    SessionStory("failed", (_ASYNC_FAILED,)),
)

_CREATED, _UPDATED, _FAILED = "refund.created", "refund.updated", "refund.failed"

REFUNDS = (
    RefundStory(True, ((_CREATED, "succeeded"),)),
    RefundStory(True, ((_CREATED, "pending"),)),
    RefundStory(True, ((_CREATED, "pending"), (_UPDATED, "succeeded"))),
    RefundStory(True, ((_CREATED, "requires_action"), (_UPDATED, "pending"))),
    RefundStory(True, (("charge.refund.updated", "succeeded"),)),
    RefundStory(True, ((_CREATED, "succeeded"), (_UPDATED, NEW))),
    RefundStory(False, ((_CREATED, "pending"), (_FAILED, "failed"))),
    RefundStory(False, ((_CREATED, "pending"), (_UPDATED, "succeeded"), (_FAILED, "failed"))),
    RefundStory(False, ((_CREATED, "succeeded"), ("charge.refund.updated", "failed"))),
    RefundStory(False, ((_CREATED, "requires_action"), (_UPDATED, "canceled"))),
    RefundStory(False, ((_CREATED, NEW),)),
)

_OPENED, _CHANGED, _CLOSED = f"{DISPUTE}.created", f"{DISPUTE}.updated", f"{DISPUTE}.closed"
_WITHDRAWN, _REINSTATED = f"{DISPUTE}.funds_withdrawn", f"{DISPUTE}.funds_reinstated"
_INQUIRY = (_OPENED, "warning_needs_response", 0)

DISPUTES = (
    DisputeStory(True, ((_OPENED, "needs_response", 1), (_WITHDRAWN, "needs_response", 1))),
    DisputeStory(True, ((_WITHDRAWN, "needs_response", 1), (_CLOSED, "lost", 1))),
    DisputeStory(True, ((_OPENED, "needs_response", 0), (_CLOSED, "lost", 1))),
    DisputeStory(True, ((_WITHDRAWN, NEW, 1),)),
    DisputeStory(True, ((_OPENED, "needs_response", 1),), told_by_events=False),
    DisputeStory(
        True, (_INQUIRY, (_CHANGED, "needs_response", 1), (_WITHDRAWN, "needs_response", 1))
    ),
    DisputeStory(
        True,
        (
            (_OPENED, "needs_response", 1),
            (_WITHDRAWN, "needs_response", 1),
            (_CLOSED, "lost", 1),
            (_CHANGED, "appeal_under_review", 1),
        ),
    ),
    DisputeStory(False, (_INQUIRY,)),
    DisputeStory(
        False, (_INQUIRY, (_CHANGED, "warning_under_review", 0), (_CLOSED, "warning_closed", 0))
    ),
    DisputeStory(False, ((_OPENED, "needs_response", 0), (_CLOSED, "prevented", 0))),
    DisputeStory(False, ((_OPENED, NEW, 0),)),
    DisputeStory(
        False,
        (
            (_OPENED, "needs_response", 1),
            (_WITHDRAWN, "needs_response", 1),
            (_CLOSED, "won", 1),
            (_REINSTATED, "won", 2),
        ),
    ),
    DisputeStory(
        False,
        (
            (_WITHDRAWN, "under_review", 1),
            (_CLOSED, "lost", 1),
            (_CHANGED, "appeal_under_review", 1),
            (_REINSTATED, "won", 2),
        ),
    ),
    DisputeStory(
        False,
        ((_WITHDRAWN, "needs_response", 1), (_REINSTATED, "under_review", 2)),
    ),
)
