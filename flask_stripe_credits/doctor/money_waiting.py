"""Money and credits that wait for something or somebody. Reads only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ..config import Delivery
from ..facts import Decision, PurchaseStatus, Verdict
from ..money import Money
from ..reading import reading
from ..refunds import ended_requests
from ..review_queue import count_waiting
from ..statements import dismissed, undecided
from .findings import Finding, error, ok, warning
from .patient import Patient, ago

# What is looked up by its age has an index; `flask credits audit` reads everything.
_WINDOW = dt.timedelta(days=90)


def last_webhook(patient: Patient) -> Iterator[Finding]:
    """When did Stripe last tell us something, and did it tell of the newest payment?"""
    models = patient.state.models
    events, purchases = models.table(models.WebhookEvent).c, models.table(models.Purchase).c
    newest_event = sa.select(sa.func.max(events.received_at)).where(
        events.verdict == Verdict.HANDLED
    )
    untold = (
        sa.select(purchases.paid_at)
        .where(
            purchases.created_at > patient.now - _WINDOW,
            purchases.paid_at < patient.overdue,
            purchases.paid_at > patient.now - dt.timedelta(days=3),
            ~sa.exists().where(events.purchase_id == purchases.id),
        )
        .order_by(purchases.paid_at.desc())
        .limit(1)
    )
    with reading(patient.state) as connection:
        last = connection.scalar(newest_event)
        missed = connection.scalar(untold)
    when = "never" if last is None else f"{ago(last, patient.now)} ago"
    if missed is not None and (last is None or last < missed):
        yield error(
            f"the last successful webhook: {when}; a payment of {ago(missed, patient.now)} ago "
            "became known in another way",
            "look at webhook_endpoint and webhook_answer, and at the deliveries in Stripe's "
            "Dashboard",
        )
    else:
        yield ok(f"the last successful one: {when}")


def paid_not_granted(patient: Patient) -> Iterator[Finding]:
    """Is somebody's payment recorded, and not what it is owed?"""
    c = patient.state.models.table(patient.state.models.Purchase).c
    query = sa.select(c.id).where(
        c.created_at > patient.now - _WINDOW,
        c.status == PurchaseStatus.COMPLETED,
        c.completed_at.is_(None),
        c.paid_at < patient.overdue,
    )
    yield from _counted(
        patient,
        query,
        "purchases are paid for more than 5 minutes, without credits",
        "every payment that is recorded has its credits",
        patient.command("reconcile --apply"),
    )


def undelivered(patient: Patient) -> Iterator[Finding]:
    """Do grants wait in the outbox?"""
    models = patient.state.models
    grants, purchases = models.table(models.Grant).c, models.table(models.Purchase).c
    query = (
        sa.select(
            sa.func.count().label("waiting"),
            sa.func.max(grants.attempts).label("attempts"),
            sa.func.max(grants.last_error).label("last_error"),
        )
        .join_from(models.table(models.Grant), models.table(models.Purchase))
        .where(
            grants.delivered_at.is_(None),
            grants.created_at < patient.overdue,
            ~undecided(purchases),
            ~dismissed(purchases, Decision.DISMISSED),
        )
    )
    with reading(patient.state) as connection:
        found = connection.execute(query).one()
    if not found.waiting:
        yield ok("no grant has waited for more than 5 minutes")
        return
    told = f"{found.waiting} grants have waited for more than 5 minutes to be delivered"
    if found.last_error:
        tries = f"tried {found.attempts} times, last error {found.last_error}"
        yield error(f"{told}; {tries}", "mend the receiver", patient.command("deliver"))
        return
    advice = "keep `flask credits deliver --watch` running"
    if patient.state.settings.delivery is not Delivery.OUTBOX:
        advice = "they are from the time when STRIPE_CREDITS_DELIVERY was `outbox`"
    yield error(told, advice, patient.command("deliver"))


def open_refunds(patient: Patient) -> Iterator[Finding]:
    """Was a refund asked for, and isn't known to have been made or refused?"""
    models = patient.state.models
    requests, purchases = models.table(models.RefundRequest).c, models.table(models.Purchase).c
    query = (
        sa.select(requests.id, requests.amount, requests.purchase_id, purchases.currency)
        .join_from(models.table(models.RefundRequest), models.table(models.Purchase))
        .where(requests.stripe_refund_id.is_(None), requests.created_at < patient.overdue)
        .order_by(requests.created_at)
    )
    with reading(patient.state) as connection:
        unknown = connection.execute(query).all()
        ended = ended_requests(connection, models, [one.purchase_id for one in unknown])
    for one in (one for one in unknown if one.id not in ended):
        amount = Money(one.amount, one.currency)
        yield error(
            f"nobody knows whether {amount} of purchase {one.purchase_id} went back",
            "the same command goes on where it was, and pays nothing twice",
            patient.command(f"refund {one.purchase_id} --amount {amount.major}"),
        )
    if ended.issuperset(one.id for one in unknown):
        yield ok("every refund that was asked for was made or refused")


def reviews(patient: Patient) -> Iterator[Finding]:
    """Does anything wait for a decision?"""
    with reading(patient.state) as connection:
        counts = count_waiting(patient.state.models, connection)
    waiting = [f"{count} of the kind {kind}" for kind, count in counts.items() if count]
    if waiting:
        yield warning(
            f"waiting for a decision: {', '.join(waiting)}", command="flask credits review list"
        )
    else:
        yield ok("nothing waits for a decision")


def failed_events(patient: Patient) -> Iterator[Finding]:
    """Did we fail to take what Stripe told, and has it not come again?"""
    c = patient.state.models.table(patient.state.models.WebhookEvent).c
    query = sa.select(c.stripe_event_id).where(
        c.verdict == Verdict.FAILED, c.received_at < patient.overdue
    )
    yield from _counted(
        patient,
        query,
        "events could not be taken, and haven't come again",
        "no event failed and hasn't come again",
        patient.command("replay --failed"),
    )


def _counted(
    patient: Patient, query: sa.Select[Any], what: str, otherwise: str, command: str
) -> Iterator[Finding]:
    with reading(patient.state) as connection:
        ids = connection.scalars(query.limit(1_001)).all()
    if not ids:
        yield ok(otherwise)
        return
    count = "more than 1,000" if len(ids) > 1_000 else f"{len(ids):,}"
    yield error(f"{count} {what}: {ids[0]}{' …' if len(ids) > 1 else ''}", command=command)
