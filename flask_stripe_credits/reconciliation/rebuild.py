"""Make a purchase again whose row is gone, from what Stripe says and an operator types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import RebuildRefused
from ..facts import (
    Recorded,
    Row,
    SessionNews,
    Verdict,
    lock_payment,
    lock_purchase,
    record_session,
)
from ..fulfillment import settle
from ..notices import log_act
from ..snapshots import PurchaseSnapshot
from ..state import AppState
from ..stripe_objects import CheckoutSession
from ..unit_of_work import UnitOfWork, in_transaction
from . import known as what_we_know
from .listing import pages, patiently
from .reversals import record_told

# No request made it: no buyer's click can be taken for it.
NO_REQUEST = "0" * 64


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator says about a session whose purchase is missing.

    :ivar actor: who says so, for the audit log.
    :ivar credits: whole credits that were sold; None for what the package holds today.
    """

    session_id: str
    user_id: str
    package_code: str
    actor: str
    credits: int | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The purchase as it is now.

    :ivar made: whether its row was made by this call.
    :ivar posted: whole credits granted for it in all.
    """

    purchase: PurchaseSnapshot
    made: bool
    posted: int


def rebuild(state: AppState, order: Order) -> Rebuilt:
    """Make the purchase of a paid session again, record what Stripe says of it and fulfill.

    It gets the id that the session names: its refunds, grants and events find it again, and a
    credit manager elsewhere knows the grant by its id. Commits; safe to repeat.

    :raises RebuildRefused: the session isn't a paid one of this site, or what was typed doesn't
        fit it, or another purchase of this id. Nothing is written.
    :raises GatewayError, NotConfigured: Stripe can't be asked.
    :raises NoReceiver, ReceiverFailed, DatabaseBusy: as :func:`..fulfillment.settle`.
    """
    session = _paid_session(state, order.session_id)
    package = in_transaction(state, lambda uow: _package(uow, order.package_code))
    _check_fit(session, package, order)
    purchase_id = session.purchase_id
    if purchase_id is None:
        raise RebuildRefused(f"session {session.id} names no purchase")
    before = what_we_know.purchase(state, purchase_id)
    if before is not None:
        _check_same(before.row, order, session)
    _record_what_went_back(state, session, order)
    settle(
        state,
        lambda uow: _record(uow, order, session, package),
        cause=f"rebuild of {session.id} by {order.actor}"[:255],
    )
    after = what_we_know.purchase(state, purchase_id)
    if after is None:
        raise RebuildRefused(f"purchase {purchase_id} was removed again meanwhile")
    return Rebuilt(PurchaseSnapshot.of(after.row), before is None, after.posted)


def _paid_session(state: AppState, session_id: str) -> CheckoutSession:
    session = patiently(lambda: state.gateway.find_checkout_session(session_id))
    if session is None:
        raise RebuildRefused(f"Stripe knows no checkout session {session_id}")
    problems = {
        f"its mode is {session.mode}, not payment": session.mode != "payment",
        f"it is of site {session.site}, not {state.settings.site}": (
            session.site != state.settings.site
        ),
        f"it isn't paid: {session.status}, {session.payment_status}": (
            session.status != "complete" or not session.is_paid
        ),
        f"its livemode is {session.livemode}": (
            session.livemode != state.settings.require_livemode()
        ),
    }
    for problem, is_so in problems.items():
        if is_so:
            raise RebuildRefused(f"session {session_id} can't be rebuilt: {problem}")
    return session


def _package(uow: UnitOfWork, package_code: str) -> Row:
    packages = uow.models.table(uow.models.Package)
    query = sa.select(packages).where(packages.c.package_code == package_code)
    row = uow.execute(query).mappings().first()
    if row is None:
        raise RebuildRefused(f"there is no package {package_code!r}")
    return dict(row)


def _check_fit(session: CheckoutSession, package: Row, order: Order) -> None:
    code = package["package_code"]
    if session.currency != package["currency"]:
        raise RebuildRefused(
            f"currency: package {code} costs {package['currency']}, "
            f"session {session.id} was paid in {session.currency}"
        )
    if session.amount_subtotal != package["unit_amount"]:
        raise RebuildRefused(
            f"price: package {code} costs {package['unit_amount']}, the subtotal of session "
            f"{session.id} is {session.amount_subtotal} (minor units of {session.currency})"
        )
    told = session.credits_told
    if order.credits is None and told not in (None, str(package["credits"])):
        raise RebuildRefused(
            f"credits: package {code} holds {package['credits']} today, session {session.id} says "
            f"that {told} were sold: say which with --credits"
        )


def _check_same(row: Row, order: Order, session: CheckoutSession) -> None:
    """The purchase is there: fine if it is what the operator means."""
    expected = {
        "stripe_checkout_session_id": session.id,
        "user_id": order.user_id,
        "package_code": order.package_code,
        "amount_credits": order.credits or row["amount_credits"],
    }
    for name, value in expected.items():
        if row[name] != value:
            raise RebuildRefused(
                f"purchase {row['id']} is here, and its {name} is {row[name]}, not {value}"
            )


def _record_what_went_back(state: AppState, session: CheckoutSession, order: Order) -> None:
    """Before the purchase, so that nothing is granted that would be taken back at once."""
    payment, gateway = session.payment_intent_id, state.gateway
    if payment is None:
        return
    for page_of in (gateway.page_refunds_of, gateway.page_disputes_of):
        for page in pages(lambda after, page_of=page_of: page_of(payment, after)):  # type: ignore[misc]
            for told in page:
                settle(state, record_told(told), cause=f"rebuild by {order.actor}"[:255])


def _record(uow: UnitOfWork, order: Order, session: CheckoutSession, package: Row) -> Recorded:
    if session.payment_intent_id is not None:
        lock_payment(uow, session.payment_intent_id)
    uow.execute(uow.sql.lock_buyer, {"user_id": order.user_id, "created_at": uow.now})
    row = lock_purchase(uow, session.purchase_id) if session.purchase_id else None
    if row is None:
        _insert(uow, order, session, package)
    else:
        _check_same(row, order, session)
    return record_session(uow, session, SessionNews.COMPLETED)


def _insert(uow: UnitOfWork, order: Order, session: CheckoutSession, package: Row) -> None:
    row: dict[str, Any] = {
        "id": session.purchase_id,
        "user_id": order.user_id,
        "package_id": package["id"],
        "package_code": package["package_code"],
        "package_name": package["package_name"],
        "amount_credits": order.credits or package["credits"],
        "unit_amount": package["unit_amount"],
        "currency": package["currency"],
        "stripe_checkout_session_id": session.id,
        "checkout_params": {},
        "checkout_attempt": 1,
        "expires_at": session.expires_at,
        "request_hash": NO_REQUEST,
        "livemode": session.livemode,
        "status": "pending",
        "amount_refunded": 0,
        "credits_revoked": 0,
        "created_at": session.created or uow.now,
        "updated_at": uow.now,
    }
    uow.execute(sa.insert(uow.models.table(uow.models.Purchase)), row)
    _audit(uow, order, session)
    _close_events(uow, session)


def _audit(uow: UnitOfWork, order: Order, session: CheckoutSession) -> None:
    details: Mapping[str, Any] = {
        "session": session.id,
        "user_id": order.user_id,
        "package_code": order.package_code,
        "credits": order.credits,
    }
    log_act(uow, order.actor, "purchase.rebuilt", session.purchase_id, details)


def _close_events(uow: UnitOfWork, session: CheckoutSession) -> None:
    """The events that found no purchase are settled with this."""
    events = uow.models.table(uow.models.WebhookEvent)
    uow.execute(
        sa.update(events)
        .where(events.c.purchase_id == session.purchase_id, events.c.verdict == Verdict.ORPHAN)
        .values(verdict=Verdict.HANDLED, updated_at=uow.now)
    )
