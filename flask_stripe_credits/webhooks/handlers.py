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

# The first API version in which refund.created, .updated and .failed tell of every refund.
_REFUND_EVENTS_SINCE = "2024-10-28"

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
    payment_intent_id = charge.payment_intent_id
    if payment_intent_id is None:
        refunds = []
    elif charge.refunds is not None:
        # Told with the charge they may lack the payment that the charge names.
        refunds = [replace(told, payment_intent_id=payment_intent_id) for told in charge.refunds]
    elif _is_known(state, event, payment_intent_id, charge.amount_refunded):
        refunds = []
    else:
        refunds = _asked_for(state, payment_intent_id, charge.amount_refunded or 0)
    return lambda uow: record_refunds(uow, refunds)


def _is_known(
    state: AppState, event: Event, payment_intent_id: str, amount_refunded: int | None
) -> bool:
    """Whether ``refund.created`` was faster.

    Without that event a sum proves nothing: one refund may have failed and another been made.
    """
    if (event.api_version or "") < _REFUND_EVENTS_SINCE:
        return False
    known = in_transaction(state, lambda uow: refunded_so_far(uow, payment_intent_id))
    return known == amount_refunded


def _asked_for(state: AppState, payment_intent_id: str, amount_refunded: int) -> list[Refund]:
    try:
        refunds = state.gateway.list_refunds_of(payment_intent_id)
    except GatewayKeyRefused:
        raise
    except GatewayRejected as error:
        if error.code == "resource_missing":
            # Not a payment of our account.
            return []
        raise GatewayUnavailable(
            f"Stripe doesn't say what was refunded: {error}",
            code=error.code,
            request_id=error.request_id,
        ) from None
    if sum(refund.amount or 0 for refund in refunds) < amount_refunded:
        raise GatewayUnavailable("Stripe's list of refunds doesn't have the newest yet")
    return refunds


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
