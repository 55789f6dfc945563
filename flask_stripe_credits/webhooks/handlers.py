"""What each of Stripe's events means to us: a table from event type to a short function."""

from __future__ import annotations

from collections.abc import Callable

from ..facts import Recorded, SessionNews, record_session
from ..stripe_objects import CheckoutSession, Event
from ..unit_of_work import UnitOfWork

Handler = Callable[[UnitOfWork, Event], Recorded]


def _session(news: SessionNews) -> Handler:
    def handle(uow: UnitOfWork, event: Event) -> Recorded:
        return record_session(uow, CheckoutSession.from_payload(event.data_object), news)

    return handle


HANDLERS: dict[str, Handler] = {
    # Also sent for payments that take days; payment_status tells.
    "checkout.session.completed": _session(SessionNews.COMPLETED),
    "checkout.session.async_payment_succeeded": _session(SessionNews.COMPLETED),
    "checkout.session.async_payment_failed": _session(SessionNews.FAILED),
    "checkout.session.expired": _session(SessionNews.EXPIRED),
}
