"""What we know, read for a page of Stripe's objects at a time and without any lock."""

from __future__ import annotations

import datetime as dt
import heapq
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import sqlalchemy as sa

from ..facts import PurchaseStatus, Reversals, Row
from ..models import Models
from ..reading import reading
from ..state import AppState
from ..statements import dispute_is_live, known_of_purchase, refund_is_live
from ..stripe_objects import CheckoutSession
from .findings import Finding

UNSETTLED = (PurchaseStatus.PENDING, PurchaseStatus.PROCESSING, PurchaseStatus.REVIEW)
SETTLED_WITH_CREDITS = (
    PurchaseStatus.COMPLETED,
    PurchaseStatus.REFUNDED,
    PurchaseStatus.DISPUTED,
)
ROWS_AT_A_TIME = 500
# https://docs.stripe.com/api/disputes/object: a lost one may be won on appeal, months later.
CLOSED_DISPUTES = ("won", "warning_closed", "prevented")
LONGEST_APPEAL = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Known:
    """One purchase at one moment: its row, the credits posted for it and what went back."""

    row: Row
    posted: int
    reversals: Reversals


@dataclass(frozen=True, slots=True)
class KnownReversal:
    """A refund or dispute as we have recorded it; ``amount`` is minor units."""

    rank: int
    amount: int
    status: str


@dataclass(frozen=True, slots=True)
class KnownOfSessions:
    """What we know that has to do with some checkout sessions."""

    by_session: dict[str, Known]
    by_id: dict[uuid.UUID, Known]
    owner_of_payment: dict[str, uuid.UUID]

    def of(self, session: CheckoutSession) -> Known | None:
        """Return the purchase whose session it is, else the one that it names."""
        known = self.by_session.get(session.id)
        if known is None and session.purchase_id is not None:
            known = self.by_id.get(session.purchase_id)
        if known is None:
            return None
        owner = self.owner_of_payment.get(session.payment_intent_id or "")
        return replace(known, row={**known.row, "payment_owner_id": owner})


def purchases_of_sessions(
    state: AppState, sessions: Collection[CheckoutSession]
) -> KnownOfSessions:
    """Return the purchases of these sessions, those that they name, and whose their payments
    are."""
    c = state.models.table(state.models.Purchase).c
    named = [one.purchase_id for one in sessions if one.purchase_id is not None]
    payments = [one.payment_intent_id for one in sessions if one.payment_intent_id is not None]
    owners = sa.select(c.stripe_payment_intent_id, c.id).where(
        c.stripe_payment_intent_id.in_(payments)
    )
    by_session = c.stripe_checkout_session_id.in_([session.id for session in sessions])
    with reading(state) as connection:
        owner_of_payment = {row[0]: row[1] for row in connection.execute(owners)}
        found = _read(connection, state.models, sa.or_(by_session, c.id.in_(named)))
    return KnownOfSessions(
        {known.row["stripe_checkout_session_id"]: known for known in found},
        {known.row["id"]: known for known in found},
        owner_of_payment,
    )


def purchase(state: AppState, purchase_id: uuid.UUID) -> Known | None:
    """Return one purchase, None when it is gone."""
    c = state.models.table(state.models.Purchase).c
    with reading(state) as connection:
        found = _read(connection, state.models, c.id == purchase_id)
    return found[0] if found else None


def purchases_of_payments(state: AppState, payments: Collection[str]) -> dict[str, Known]:
    """Return the purchases that these payment intents paid, by payment intent."""
    c = state.models.table(state.models.Purchase).c
    with reading(state) as connection:
        found = _read(connection, state.models, c.stripe_payment_intent_id.in_(payments))
    return {known.row["stripe_payment_intent_id"]: known for known in found}


def refunds(state: AppState, ids: Collection[str]) -> dict[str, KnownReversal]:
    """Return those of these refunds that we know, by Stripe's id."""
    return _reversals(state, state.models.Refund, "stripe_refund_id", ids)


def disputes(state: AppState, ids: Collection[str]) -> dict[str, KnownReversal]:
    """Return those of these disputes that we know, by Stripe's id."""
    return _reversals(state, state.models.Dispute, "stripe_dispute_id", ids)


def _reversals(
    state: AppState, model: type[Any], key: str, ids: Collection[str]
) -> dict[str, KnownReversal]:
    c = state.models.table(model).c
    query = sa.select(c[key], c.live_rank, c.amount, c.status).where(c[key].in_(ids))
    with reading(state) as connection:
        rows = connection.execute(query).all()
    return {id_: KnownReversal(rank, amount, status) for id_, rank, amount, status in rows}


def _read(connection: sa.Connection, models: Models, where: sa.ColumnElement[bool]) -> list[Known]:
    """In one statement, so that row and sums are of the same moment under READ COMMITTED too."""
    query = sa.select(models.table(models.Purchase), *known_of_purchase(models)).where(where)
    return [
        Known(cast(Row, row), row["posted"], Reversals(row["refunded"], row["disputed"]))
        for row in connection.execute(query).mappings()
    ]


def newest_first(state: AppState, *, since: dt.datetime, until: dt.datetime) -> Iterator[Row]:
    """Yield what Stripe should know of each purchase that may have credits, from ``since`` on,
    and of each that isn't settled, whatever its age."""
    streams = [_with_status(state, status, None, until) for status in UNSETTLED]
    streams += [_with_status(state, status, since, until) for status in SETTLED_WITH_CREDITS]
    return heapq.merge(*streams, key=lambda row: row["created_at"], reverse=True)


def _with_status(
    state: AppState, status: str, since: dt.datetime | None, until: dt.datetime
) -> Iterator[Row]:
    """Some rows at a time, by the index on status and creation; no connection is kept between."""
    c = state.models.table(state.models.Purchase).c
    columns = (c.id, c.created_at, c.user_id, c.stripe_checkout_session_id)
    query = sa.select(*columns).where(
        c.status == status, c.livemode == state.settings.require_livemode()
    )
    if since is not None:
        query = query.where(c.created_at >= since)
    query = query.order_by(c.created_at.desc(), c.id).limit(ROWS_AT_A_TIME)
    rest = query.where(c.created_at <= until)
    while True:
        with reading(state) as connection:
            rows = cast(Sequence[Row], connection.execute(rest).mappings().all())
        yield from rows
        if len(rows) < ROWS_AT_A_TIME:
            return
        last = rows[-1]
        rest = query.where(
            c.created_at <= last["created_at"],
            sa.or_(c.created_at < last["created_at"], c.id > last["id"]),
        )


def oldest_unopened(state: AppState) -> dt.datetime | None:
    """When the oldest pending purchase was made that we know no session of; None without one."""
    c = state.models.table(state.models.Purchase).c
    query = sa.select(sa.func.min(c.created_at)).where(
        c.status == PurchaseStatus.PENDING,
        c.stripe_checkout_session_id.is_(None),
        c.livemode == state.settings.require_livemode(),
    )
    with reading(state) as connection:
        return cast("dt.datetime | None", connection.execute(query).scalar_one())


def payments_of_open(state: AppState, kind: str) -> Iterator[str]:
    """Yield the payments of refunds, or disputes, that may still change whatever their age."""
    models = state.models
    table = models.table(models.Refund if kind == "refunds" else models.Dispute)
    c = table.c
    # Succeeded refunds fail within 30 days at most, which --since covers.
    is_open: sa.ColumnElement[bool] = sa.true()
    if kind == "disputes":
        long_lost = dt.datetime.now(dt.UTC) - LONGEST_APPEAL
        is_open = ~c.status.in_(CLOSED_DISPUTES)
        is_open &= sa.or_(c.status != "lost", c.updated_at > long_lost)
    payment = c.stripe_payment_intent_id
    query = sa.select(payment).where(is_open, c.live_rank < 20).distinct().order_by(payment)
    after = ""
    while True:
        with reading(state) as connection:
            found = connection.execute(query.where(payment > after).limit(ROWS_AT_A_TIME))
            payments = found.scalars().all()
        yield from payments
        if len(payments) < ROWS_AT_A_TIME:
            return
        after = payments[-1]


def kept(state: AppState, payment: str, currency: str, but: Collection[str]) -> Reversals:
    """Add up what is recorded as gone back of a payment, except for these refunds and disputes."""
    models = state.models
    sums = []
    for model, key, is_live in (
        (models.Refund, "stripe_refund_id", refund_is_live),
        (models.Dispute, "stripe_dispute_id", dispute_is_live),
    ):
        c = models.table(model).c
        query = sa.select(sa.cast(sa.func.coalesce(sa.func.sum(c.amount), 0), sa.BigInteger)).where(
            c.stripe_payment_intent_id == payment,
            c.currency == currency,
            ~c[key].in_(but),
            is_live(c.live_rank),
        )
        with reading(state) as connection:
            sums.append(connection.execute(query).scalar_one())
    return Reversals(*sums)


def check_database(state: AppState) -> None:
    """See that there are tables to compare with, before minutes are spent on Stripe's lists.

    :raises TablesOutOfDate, DatabaseBusy: there are none, or they can't be read.
    """
    with reading(state) as connection:
        connection.execute(sa.select(state.models.table(state.models.Purchase)).limit(0))


def verdicts_on(state: AppState, finding: Finding) -> set[str]:
    """Return what became of the events about this object that name this purchase."""
    c = state.models.table(state.models.WebhookEvent).c
    query = sa.select(c.verdict).where(
        c.purchase_id == finding.purchase_id, c.object_id == finding.about
    )
    with reading(state) as connection:
        return set(connection.execute(query).scalars())
