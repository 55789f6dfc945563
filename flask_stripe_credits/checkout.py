"""Open a checkout: our row first, then Stripe's session, then its address.

Two short transactions with the call to Stripe between them. The row is committed before Stripe
hears of it, so that nobody can pay a session that we don't know.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import uuid
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from flask import Flask

from .catalog import find_active_package
from .checkout_limits import claim_superseded, make_room, refuse_too_many
from .checkout_params import apply_hook, build_params, expiry
from .errors import (
    GatewayRejected,
    GatewayUnavailable,
    KeyInFlight,
    KeyReused,
    PackageChanged,
)
from .facts import PurchaseStatus, Recorded, Row, Verdict, lock_facts
from .fulfillment import fulfill
from .logs import Log, quoted
from .origins import origin_of
from .signals import purchase_created
from .snapshots import PurchaseSnapshot
from .state import AppState, current_app_object
from .stripe_objects import CheckoutSession
from .unit_of_work import UnitOfWork, in_transaction

log: Log = Log(__name__)

# How long one request may take to open a session before another may try.
LEASE = dt.timedelta(seconds=30)
# A double click within this time gets the session that is already open.
REUSE = dt.timedelta(minutes=10)
# Stripe refuses an expiry nearer than 30 minutes.
NEAREST_EXPIRY_SECONDS = 1_860


@dataclass(frozen=True, slots=True)
class Offer:
    """What a buyer was shown: whole credits for minor units of a currency."""

    credits: int
    unit_amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """What a buyer asks for.

    :ivar success_url: absolute and allowed; may hold ``{PURCHASE_ID}``.
    :ivar cancel_url: likewise.
    :ivar idempotency_key: names one purchase of this user for ever; None for a plain click.
    :ivar shown: what the package has to be sold for, None for whatever it is.
    """

    user_id: str
    package_code: str
    success_url: str
    cancel_url: str
    idempotency_key: str | None = None
    shown: Offer | None = None

    @property
    def hash(self) -> str:
        """The same for the same body: 64 hexadecimal characters."""
        body = json.dumps([self.package_code, self.success_url, self.cancel_url])
        return hashlib.sha256(body.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class OpenedCheckout:
    """An open checkout and whether this request opened it (or named it by its key)."""

    purchase: PurchaseSnapshot
    created: bool


@dataclass(frozen=True, slots=True)
class _Claim:
    row: Row
    is_open: bool


@dataclass(frozen=True, slots=True)
class _Stored:
    checkout: OpenedCheckout
    superseded_sessions: tuple[str, ...] = ()


def open_checkout(state: AppState, request: CheckoutRequest) -> OpenedCheckout:
    """Create or resume the purchase that ``request`` means and open its Checkout Session.

    Commits twice and calls Stripe in between, never inside a transaction; then closes the user's
    oldest sessions beyond the cap. Safe to repeat: with an idempotency key for ever, without one
    for ten minutes. Sends ``purchase_created``.

    :raises PackageNotFound: no active package has this code.
    :raises PackageChanged: the package isn't sold for what was ``shown``.
    :raises TooManySessions: the user reached the hourly limit.
    :raises KeyReused, KeyInFlight: the idempotency key means another request, or a running one.
    :raises GatewayUnavailable, GatewayRejected: Stripe didn't open the session; the row is kept
        and the same request resumes it.
    :raises NotConfigured: there is no usable API key; nothing is written.
    """
    state.settings.require_secret_key()
    claim = in_transaction(state, lambda uow: _claim(uow, request))
    if claim.is_open:
        keyed = request.idempotency_key is not None
        return OpenedCheckout(PurchaseSnapshot.of(claim.row), created=keyed)
    session = _open_session(state, claim.row)
    stored = in_transaction(state, lambda uow: _store_session(uow, claim.row, session))
    make_room(state, stored.superseded_sessions)
    return stored.checkout


def _claim(uow: UnitOfWork, request: CheckoutRequest) -> _Claim:
    uow.execute(uow.sql.lock_buyer, {"user_id": request.user_id, "created_at": uow.now})
    row = _find_by_key(uow, request) if request.idempotency_key else _find_recent(uow, request)
    if row is None:
        return _insert(uow, request)
    _refuse_other_offer(request, Offer(row["amount_credits"], row["unit_amount"], row["currency"]))
    known = row["stripe_checkout_session_id"] is not None
    resumed = (PurchaseStatus.PENDING, PurchaseStatus.EXPIRED)
    if row["checkout_url"] is not None or (known and row["status"] not in resumed):
        return _Claim(row, is_open=True)
    return _Claim(_resume(uow, row, request), is_open=False)


def _find_by_key(uow: UnitOfWork, request: CheckoutRequest) -> Row | None:
    found = uow.execute(
        uow.sql.find_purchase_by_key,
        {"user_id": request.user_id, "idempotency_key": request.idempotency_key},
    )
    row = cast(Row | None, found.mappings().first())
    if row is None:
        return None
    if row["request_hash"] != request.hash:
        raise KeyReused("this idempotency key was used with another request body")
    if row["livemode"] != uow.state.settings.require_livemode():
        raise KeyReused("this idempotency key was used in Stripe's other mode")
    return row


def _find_recent(uow: UnitOfWork, request: CheckoutRequest) -> Row | None:
    """The same click, less than ten minutes ago, whose checkout is still open."""
    found = uow.execute(
        uow.sql.find_recent_purchase,
        {
            "user_id": request.user_id,
            "request_hash": request.hash,
            "livemode": uow.state.settings.require_livemode(),
            "since": uow.now - REUSE,
            "now": uow.now,
        },
    )
    return cast(Row | None, found.mappings().first())


def _resume(uow: UnitOfWork, row: Row, request: CheckoutRequest) -> Row:
    """Take over an attempt that died, or join one that runs.

    Two requests of one attempt send Stripe the same key and parameters and get one session. A
    client that sent an idempotency key itself is told to wait instead.
    """
    claimed_until = row["checkout_claimed_until"]
    if request.idempotency_key and claimed_until is not None and claimed_until > uow.now:
        # Our clock was read before we waited for the one who holds the lease.
        remaining = min(LEASE, claimed_until - uow.now)
        raise KeyInFlight(math.ceil(remaining.total_seconds()))
    changes: dict[str, Any] = {"checkout_claimed_until": uow.now + LEASE}
    if row["expired_at"] is not None:
        _reopen(uow, row)
        if row["stripe_checkout_session_id"] is not None:
            # Its answer was lost, so that nobody ever had the address, and it is closed since.
            changes["stripe_checkout_session_id"] = None
            changes["checkout_attempt"] = row["checkout_attempt"] + 1
    params, seconds = row["checkout_params"], uow.state.settings.session_expires_seconds
    if not params:
        changes |= _params_of_today(uow, row, request)
    elif params.get("expires_at", math.inf) < uow.now.timestamp() + NEAREST_EXPIRY_SECONDS:
        fresh = {} if seconds is None else {"expires_at": expiry(seconds, uow.now)}
        kept = {name: value for name, value in params.items() if name != "expires_at"}
        changes["checkout_params"] = kept | fresh
        changes["checkout_attempt"] = row["checkout_attempt"] + 1
    uow.execute(uow.sql.update_purchase, {"purchase_key": row["id"], **changes})
    return {**row, **changes}


def _params_of_today(uow: UnitOfWork, row: Row, request: CheckoutRequest) -> dict[str, Any]:
    """What is sold stays; the price's id, settings and hook may have been what Stripe refused."""
    packages = uow.models.table(uow.models.Package)
    query = sa.select(packages).where(packages.c.id == row["package_id"])
    package = dict(uow.execute(query).mappings().first() or {"description": None})
    sold = (row["unit_amount"], row["currency"])
    if (package.get("unit_amount"), package.get("currency")) != sold:
        package["stripe_price_id"] = None
    params = _params(uow, row, package, request)
    return {"checkout_params": params, "stripe_price_id": package["stripe_price_id"]}


def _reopen(uow: UnitOfWork, row: Row) -> None:
    """It counted as expired, since nobody could pay it: now somebody can."""
    reopened = Recorded(
        Verdict.HANDLED,
        lock_facts(uow, row["id"]),
        {"expired_at": None},
        purchase_id=row["id"],
        actor="buyer",
    )
    fulfill(uow, reopened, cause="checkout resumed")


def _insert(uow: UnitOfWork, request: CheckoutRequest) -> _Claim:
    refuse_too_many(uow, request.user_id)
    package = find_active_package(uow, request.package_code)
    _refuse_other_offer(
        request, Offer(package["credits"], package["unit_amount"], package["currency"])
    )
    row: dict[str, Any] = dict.fromkeys(uow.models.table(uow.models.Purchase).c.keys())
    row |= {
        "id": uuid.uuid4(),
        "user_id": request.user_id,
        "package_id": package["id"],
        "package_code": package["package_code"],
        "package_name": package["package_name"],
        "amount_credits": package["credits"],
        "unit_amount": package["unit_amount"],
        "currency": package["currency"],
        "stripe_price_id": package["stripe_price_id"],
        "checkout_attempt": 1,
        "checkout_claimed_until": uow.now + LEASE,
        "idempotency_key": request.idempotency_key,
        "request_hash": request.hash,
        "livemode": uow.state.settings.require_livemode(),
        "status": PurchaseStatus.PENDING,
        "amount_refunded": 0,
        "credits_revoked": 0,
        "created_at": uow.now,
        "updated_at": uow.now,
    }
    row["checkout_params"] = _params(uow, row, package, request)
    uow.execute(uow.sql.insert_purchase, row)
    return _Claim(row, is_open=False)


def _refuse_other_offer(request: CheckoutRequest, sold: Offer) -> None:
    if request.shown not in (None, sold):
        raise PackageChanged(request.package_code)


def _params(uow: UnitOfWork, row: Row, package: Row, request: CheckoutRequest) -> dict[str, Any]:
    purchase = PurchaseSnapshot.of(row)
    params = build_params(
        purchase,
        description=package["description"],
        stripe_price_id=package["stripe_price_id"],
        success_url=request.success_url,
        cancel_url=request.cancel_url,
        settings=uow.state.settings,
        now=uow.now,
    )
    hook = uow.state.callbacks.checkout_session_params
    if hook is None:
        return params
    with uow.host_session():
        return apply_hook(hook, purchase, params)


def _open_session(state: AppState, row: Row) -> CheckoutSession:
    attempt: int = row["checkout_attempt"]
    try:
        session = state.gateway.create_checkout_session(
            row["checkout_params"], idempotency_key=f"flask-stripe-credits-{row['id']}-a{attempt}"
        )
        _check_answer(row, session)
    except GatewayUnavailable as error:
        # Stripe keeps a 5xx under its key for a day; only another key gets another answer.
        _release(state, row, next_attempt=error.answered)
        raise
    except GatewayRejected:
        _release(state, row, next_attempt=True, checkout_params={})
        raise
    return session


def _check_answer(row: Row, session: CheckoutSession) -> None:
    """Make sure that the buyer will pay what the row says before anybody gets the address."""
    expected = ("payment", row["livemode"], row["currency"], row["unit_amount"])
    answered = (session.mode, session.livemode, session.currency, session.amount_subtotal)
    if answered != expected:
        log.critical(
            "session_mismatch",
            "Stripe's session %s for purchase %s has mode, livemode, currency, amount %s, not %s: "
            "is it synced?",
            session.id,
            row["id"],
            answered,
            expected,
            purchase_id=row["id"],
            user_id=row["user_id"],
        )
        raise GatewayRejected("Stripe's checkout session doesn't match the purchase")
    if session.url is None or origin_of(session.url) is None:
        raise GatewayRejected("Stripe's checkout session has no address to send the buyer to")


def _release(state: AppState, row: Row, *, next_attempt: bool, **changes: Any) -> None:
    """Let the next request try at once, unless somebody else already did.

    :param changes: of columns; parameters that Stripe refused are made anew by the next attempt.
    """
    purchases = state.models.table(state.models.Purchase)
    c = purchases.c
    values = changes | {
        "checkout_claimed_until": None,
        "checkout_attempt": row["checkout_attempt"] + (1 if next_attempt else 0),
    }
    in_transaction(
        state,
        lambda uow: uow.execute(
            sa.update(purchases)
            .where(
                c.id == row["id"],
                c.checkout_attempt == row["checkout_attempt"],
                c.checkout_url.is_(None),
            )
            .values(values)
        ),
    )


def _store_session(uow: UnitOfWork, claimed: Row, session: CheckoutSession) -> _Stored:
    # Whoever stores last sees all that is open.
    uow.execute(uow.sql.lock_buyer, {"user_id": claimed["user_id"], "created_at": uow.now})
    row = cast(
        Row,
        uow.execute(uow.sql.lock_purchase, {"purchase_id": claimed["id"]}).mappings().one(),
    )
    taken = row["checkout_url"] is not None
    if taken or row["stripe_checkout_session_id"] not in (None, session.id):
        # Another request of this purchase was faster; its session is the one.
        return _Stored(OpenedCheckout(PurchaseSnapshot.of(row), created=False))
    changes = {
        "stripe_checkout_session_id": session.id,
        "checkout_url": session.url,
        "expires_at": session.expires_at,
        "checkout_claimed_until": None,
        "updated_at": uow.now,
    }
    uow.execute(uow.sql.update_purchase, {"purchase_key": row["id"], **changes})
    purchase = PurchaseSnapshot.of({**row, **changes})
    app = current_app_object()
    uow.after_commit(lambda: _told(app, purchase))
    return _Stored(OpenedCheckout(purchase, created=True), claim_superseded(uow, row))


def _told(app: Flask, purchase: PurchaseSnapshot) -> None:
    log.info(
        "checkout_created",
        "Created checkout session for user %s: %s",
        quoted(purchase.user_id),
        purchase.stripe_checkout_session_id,
        purchase_id=purchase.id,
        user_id=purchase.user_id,
    )
    purchase_created.send(app, purchase=purchase)
