"""What each of Stripe's events means to us: a table from event type to a short function.

A handler reads the event, and Stripe if it must, before the transaction; what it returns records
the facts inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..errors import GatewayKeyRefused, GatewayRejected, GatewayUnavailable
from ..facts import (
    Funds,
    Recorded,
    SessionNews,
    record_dispute,
    record_refunds,
    record_session,
    refunded_so_far,
)
from ..state import AppState
from ..stripe_objects import Charge, CheckoutSession, Dispute, Event, Refund
from ..unit_of_work import UnitOfWork, in_transaction

Record = Callable[[UnitOfWork], Recorded]
Handler = Callable[[AppState, Event], Record]


def _session(news: SessionNews) -> Handler:
    def handle(state: AppState, event: Event) -> Record:
        session = CheckoutSession.from_payload(event.data_object)
        return lambda uow: record_session(uow, session, news)

    return handle


def _refund(state: AppState, event: Event) -> Record:
    refund = Refund.from_payload(event.data_object)
    return lambda uow: record_refunds(uow, [refund])


def _dispute(funds: Funds = Funds.NONE) -> Handler:
    def handle(state: AppState, event: Event) -> Record:
        dispute = Dispute.from_payload(event.data_object)
        return lambda uow: record_dispute(uow, dispute, funds)

    return handle


def _charge_refunded(state: AppState, event: Event) -> Record:
    """A hint that the payment's refunds changed; today's API doesn't say which."""
    charge = Charge.from_payload(event.data_object)
    refunds = _refunds_of(state, charge)
    return lambda uow: record_refunds(uow, refunds)


def _refunds_of(state: AppState, charge: Charge) -> list[Refund]:
    payment_intent_id = charge.payment_intent_id
    if payment_intent_id is None:
        return []
    if charge.refunds is not None:
        # Told with the charge they may lack the payment that the charge names.
        return [replace(refund, payment_intent_id=payment_intent_id) for refund in charge.refunds]
    known = in_transaction(state, lambda uow: refunded_so_far(uow, payment_intent_id))
    if charge.amount_refunded == known:
        # refund.created was faster: no need to ask.
        return []
    try:
        return state.gateway.list_refunds_of(payment_intent_id)
    except GatewayKeyRefused:
        raise
    except GatewayRejected as error:
        raise GatewayUnavailable(
            f"Stripe doesn't say what was refunded: {error}",
            code=error.code,
            request_id=error.request_id,
        ) from None


HANDLERS: dict[str, Handler] = {
    # Also sent for payments that take days; payment_status tells.
    "checkout.session.completed": _session(SessionNews.COMPLETED),
    "checkout.session.async_payment_succeeded": _session(SessionNews.COMPLETED),
    "checkout.session.async_payment_failed": _session(SessionNews.FAILED),
    "checkout.session.expired": _session(SessionNews.EXPIRED),
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    # Before API version 2024-10-28 only these two told of every refund.
    "charge.refund.updated": _refund,
    "charge.refunded": _charge_refunded,
    "charge.dispute.created": _dispute(),
    "charge.dispute.updated": _dispute(),
    "charge.dispute.closed": _dispute(),
    "charge.dispute.funds_withdrawn": _dispute(Funds.WITHDRAWN),
    "charge.dispute.funds_reinstated": _dispute(Funds.RETURNED),
}
