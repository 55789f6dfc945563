"""Ask Stripe for a refund, outside any transaction, and record what it says."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import sqlalchemy as sa

from ..errors import (
    FulfillmentError,
    GatewayError,
    GatewayKeyRefused,
    GatewayRejected,
    GatewayUnavailable,
    RefundRefused,
    RefundUnrecorded,
    StripeCreditsError,
)
from ..facts import Decision, PurchaseStatus, Row, record_refunds
from ..fulfillment import settle
from ..integers import LARGEST_INTEGER
from ..outbox import described
from ..reading import reading
from ..state import AppState
from ..statements import dismissed
from ..stripe_objects import PURCHASE_MARKER, REQUEST_MARKER, SITE_MARKER, Refund
from ..tables import LONGEST_ACTOR
from ..unit_of_work import in_transaction
from . import requests
from .requests import Refunded, Request, Wish, find_request, request_for

LONGEST_REASON = 500
LONGEST_CAUSE = 255
# https://docs.stripe.com/api/refunds/create#create_refund-reason
STRIPES_REASONS = ("duplicate", "fraudulent", "requested_by_customer")

# What Stripe may yet do under the same key, or has done for other parameters.
_UNDECIDED = ("idempotency_error", "idempotency_key_in_use")


@dataclass(frozen=True, slots=True)
class RefundOutcome:
    """What a refund came to.

    :ivar how: ``made`` now; ``resumed``, an unfinished request was asked for again; or
        ``made_before``, and nothing was asked for now.
    :ivar amount: minor units of ``currency``.
    :ivar refund_status: Stripe's: ``pending``, ``succeeded`` …
    :ivar actor: who asked for it first.
    :ivar status: the purchase's now.
    :ivar credits_revoked: whole credits taken back for all that went back of the purchase.
    :ivar undelivered: grants that the credit manager has not been handed yet, none where the
        purchase was dismissed.
    """

    how: Refunded
    request_id: str
    purchase_id: str
    refund_id: str
    amount: int
    currency: str
    refund_status: str | None
    actor: str
    status: str
    credits_revoked: int
    undelivered: int


def refund_purchase(
    state: AppState,
    purchase_id: uuid.UUID,
    *,
    amount: int | None,
    reason: str | None,
    actor: str,
    again: bool = False,
) -> RefundOutcome:
    """Give a purchase's money back through Stripe, and take the credits for it back. Commits.

    Safe to repeat after a failure or a kill at any moment: an unfinished request is gone on
    with, and one that was made is not made again, not even with ``again`` before somebody was
    told of it. Stripe is asked up to three times.

    :param amount: minor units of the purchase's currency; None for all that is left.
    :param reason: one of Stripe's (``duplicate, fraudulent, requested_by_customer``) or words of
        your own, up to 500 characters.
    :param actor: who wants it, for the audit log.
    :param again: give the same amount back once more; or ask anew, where Stripe's answer to an
        unfinished request was an error that it repeats.
    :raises RefundRefused: it can't be, or not so; nothing went back.
    :raises GatewayUnavailable: Stripe didn't answer, or not clearly: the request stays open.
    :raises GatewayRejected, GatewayKeyRefused, NotConfigured: Stripe can't be asked.
    :raises RefundUnrecorded: the money goes back; its credits couldn't be taken back yet.
    :raises DatabaseBusy, TablesOutOfDate: do the same again.
    """
    _check(amount, reason, actor)
    purchase = _read_paid(state, purchase_id)
    # What went back already, by us and a lost answer or in the Dashboard, is known first.
    _learn(state, purchase, actor)
    wish = Wish(amount, reason, actor, again)
    request, how = in_transaction(state, lambda uow: request_for(uow, purchase, wish))
    if request.refund_id is None:
        refund = _ask(state, purchase, request, actor)
        _record(state, [refund], f"refund request {request.id}")
        request = replace(request, refund_id=refund.id)
    outcome = _outcome(state, how, purchase, request)
    if requests.TOLD not in request.acts:
        # Last: until somebody hears of it, the same command once more means the same refund.
        _note(state, purchase, request, requests.TOLD, actor)
    return outcome


def _check(amount: int | None, reason: str | None, actor: str) -> None:
    if amount is not None and not 0 < amount <= LARGEST_INTEGER:
        raise RefundRefused("the amount must be more than zero")
    if reason is not None and not (reason.strip() and len(reason) <= LONGEST_REASON):
        raise RefundRefused(f"the reason must have 1 to {LONGEST_REASON} characters")
    if reason is not None and not reason.isprintable():
        raise RefundRefused("the reason must be one line of characters that can be printed")
    if not (actor.strip() and len(actor) <= LONGEST_ACTOR and actor.isprintable()):
        raise RefundRefused(f"say who wants it, in 1 to {LONGEST_ACTOR} characters")


def _read_paid(state: AppState, purchase_id: uuid.UUID) -> Row:
    table = state.models.table(state.models.Purchase)
    with reading(state) as connection:
        query = sa.select(table).where(table.c.id == purchase_id)
        found = connection.execute(query).mappings().first()
    if found is None:
        raise RefundRefused(f"there is no purchase {purchase_id}")
    purchase = cast(Row, found)
    if purchase["livemode"] != state.settings.require_livemode():
        raise RefundRefused(f"purchase {purchase_id} is of the other mode than the API key")
    if purchase["paid_at"] is None:
        hint = ""
        if purchase["status"] == PurchaseStatus.REVIEW:
            hint = ": decide on it first, `flask credits review`, or refund it at Stripe"
        raise RefundRefused(f"purchase {purchase_id} isn't paid, it is {purchase['status']}{hint}")
    if not purchase["amount_paid"] or purchase["stripe_payment_intent_id"] is None:
        raise RefundRefused(f"purchase {purchase_id} cost nothing: nothing can go back")
    return purchase


def _learn(state: AppState, purchase: Row, actor: str) -> None:
    """Record what Stripe lists of the payment; an open request whose refund is in it is finished.

    Stripe forgets the request's key after a day; its list has the request's id for good.
    """
    refunds = state.gateway.list_refunds_of(purchase["stripe_payment_intent_id"])
    if refunds:
        _record(state, refunds, f"operator {actor}")


def _record(state: AppState, refunds: Sequence[Refund], cause: str) -> None:
    try:
        settle(state, lambda uow: record_refunds(uow, refunds), cause=cause[:LONGEST_CAUSE])
    except StripeCreditsError as error:
        problem = described(error) if isinstance(error, FulfillmentError) else str(error)
        raise RefundUnrecorded(refunds[0].id, problem) from error


def _ask(state: AppState, purchase: Row, request: Request, actor: str) -> Refund:
    """Have Stripe make the refund, once for each request, however often it is asked."""
    payment = purchase["stripe_payment_intent_id"]
    try:
        refund = state.gateway.create_refund(
            _params(state, purchase, request), idempotency_key=str(request.id)
        )
    except GatewayUnavailable as error:
        if not error.answered:
            raise
        return _found_or_unclear(state, purchase, request, actor, error)
    except GatewayKeyRefused:
        raise
    except GatewayRejected as error:
        if error.code is None or error.code in _UNDECIDED:
            raise
        _note(state, purchase, request, requests.REFUSED, actor, **_about(error))
        raise RefundRefused(f"Stripe refuses to refund it: {error}") from error
    if (refund.payment_intent_id, refund.amount) != (payment, request.amount):
        raise GatewayRejected("Stripe's answer isn't the refund that was asked for")
    return replace(refund, site=state.settings.site, request_id=request.id)


def _params(state: AppState, purchase: Row, request: Request) -> dict[str, Any]:
    """What is sent for a request; the same at every try, or Stripe refuses its key."""
    metadata = {
        SITE_MARKER: state.settings.site,
        PURCHASE_MARKER: str(purchase["id"]),
        REQUEST_MARKER: str(request.id),
    }
    params = {
        "payment_intent": purchase["stripe_payment_intent_id"],
        "amount": request.amount,
        "metadata": metadata,
    }
    if request.reason in STRIPES_REASONS:
        return params | {"reason": request.reason}
    if request.reason is not None:
        metadata["reason"] = request.reason
    return params


def _found_or_unclear(
    state: AppState, purchase: Row, request: Request, actor: str, error: GatewayUnavailable
) -> Refund:
    """After an error of Stripe's own, which it will repeat under this key: was it made?"""
    _note(state, purchase, request, requests.UNCLEAR, actor, **_about(error))
    for refund in state.gateway.list_refunds_of(purchase["stripe_payment_intent_id"]):
        if refund.request_id == request.id and refund.site == state.settings.site:
            return refund
    raise GatewayUnavailable(
        f"{error}, and lists no such refund: the request stays open. Look into Stripe's Dashboard "
        f"in a few minutes; if it isn't there, ask with --again",
        code=error.code,
        request_id=error.request_id,
        answered=True,
    ) from error


def _note(
    state: AppState, purchase: Row, request: Request, action: str, actor: str, **details: Any
) -> None:
    in_transaction(
        state,
        lambda uow: requests.log(uow, request, purchase["id"], action, actor, **details),
    )


def _about(error: GatewayError) -> dict[str, Any]:
    return {"code": error.code, "stripe_request_id": error.request_id}


def _outcome(state: AppState, how: Refunded, purchase: Row, request: Request) -> RefundOutcome:
    models = state.models
    purchases, grants = models.table(models.Purchase).c, models.table(models.Grant).c
    now = sa.select(purchases.status, purchases.credits_revoked).where(
        purchases.id == purchase["id"]
    )
    waiting = sa.select(sa.func.count()).where(
        grants.purchase_id == purchase["id"],
        grants.delivered_at.is_(None),
        purchases.id == grants.purchase_id,
        ~dismissed(purchases, Decision.DISMISSED),
    )
    with reading(state) as connection:
        made = find_request(connection, models, request)
        status, credits_revoked = connection.execute(now).one()
        undelivered = connection.execute(waiting).scalar_one()
    return RefundOutcome(
        how=how,
        request_id=str(made.id),
        purchase_id=str(purchase["id"]),
        refund_id=str(request.refund_id),
        amount=made.amount,
        currency=purchase["currency"],
        refund_status=made.refund_status,
        actor=made.actor,
        status=status,
        credits_revoked=credits_revoked,
        undelivered=undelivered,
    )
