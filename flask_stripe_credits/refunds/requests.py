"""Operators' requests for refunds: which one a wish means, decided under the purchase's lock.

A request is *open* until it has its refund's id, Stripe refused it, or it was given up. The rows
say the first, the audit log the other two. While one is open nobody makes another, so that
neither a second run nor a second operator gives the money back twice.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import sqlalchemy as sa

from ..errors import RefundRefused
from ..facts import Row, lock_facts, lock_payment, refund_takes, reversals_of
from ..models import Models
from ..money import Money, smallest_step
from ..notices import log_act
from ..unit_of_work import UnitOfWork

REQUESTED = "refund.requested"
RESUMED = "refund.resumed"
REFUSED = "refund.refused"
UNCLEAR = "refund.unclear"
GIVEN_UP = "refund.given_up"
TOLD = "refund.made"


class Refunded(StrEnum):
    """What becomes of a wish for a refund."""

    MADE = "made"
    RESUMED = "resumed"
    MADE_BEFORE = "made_before"


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator wants.

    :ivar amount: minor units; None: all that is left.
    :ivar again: make another where one like it was made before.
    """

    amount: int | None
    reason: str | None
    actor: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One row of ``credit_refund_requests``, with what became of it.

    :ivar refund_rank: how far its refund has got; None while that isn't known.
    :ivar acts: what the audit log says of it.
    """

    id: uuid.UUID
    amount: int
    reason: str | None
    actor: str
    created_at: dt.datetime
    refund_id: str | None
    refund_status: str | None = None
    refund_rank: int | None = None
    acts: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        return self.refund_id is None and not self.acts & {REFUSED, GIVEN_UP}

    @property
    def is_unheard_of(self) -> bool:
        """Whether it was made, and no operator was told so: its answer was lost."""
        return refund_takes(self.refund_rank) and TOLD not in self.acts

    @property
    def is_unclear(self) -> bool:
        """Whether Stripe answered an error that it repeats under this request's key for a day."""
        return UNCLEAR in self.acts

    def told(self, currency: str) -> str:
        """Name it for people."""
        amount = Money(self.amount, currency)
        return f"{amount}, which {self.actor} asked for at {self.created_at:%Y-%m-%d %H:%M} UTC"


def request_for(uow: UnitOfWork, purchase: Row, wish: Wish) -> tuple[Request, Refunded]:
    """Return the request that ``wish`` means: an open one, one that was made, or a new one.

    Locks the payment and the purchase, and writes a new request with its line in the audit log.

    :param purchase: paid.
    :raises RefundRefused: another one is open, or this can't go back.
    """
    lock_payment(uow, purchase["stripe_payment_intent_id"])
    locked = cast(Row, lock_facts(uow, purchase["id"]))
    reversals = reversals_of(locked)
    left = max(purchase["amount_paid"] - reversals.refunded, 0)
    requests = _requests_of(uow.connection, uow.models, purchase["id"])
    current = next((request for request in requests if request.is_open), None)
    if current is not None and not (wish.again and current.is_unclear):
        return _resumed(uow, purchase, current, wish, left), Refunded.RESUMED
    made = _made_before(requests, wish.amount, left)
    if made is not None and wish.again and made.is_unheard_of:
        # The same command once more, after a lost answer: it doesn't mean another one yet.
        log(uow, made, purchase["id"], RESUMED, wish.actor)
        return made, Refunded.RESUMED
    if made is not None and not wish.again:
        return _not_failed(made, purchase["currency"]), Refunded.MADE_BEFORE
    wanted = left if wish.amount is None else wish.amount
    amount = _possible(purchase, wanted, left, reversals.disputed)
    if current is not None:
        log(uow, current, purchase["id"], GIVEN_UP, wish.actor)
    return _new(uow, purchase, amount, wish), Refunded.MADE


def log(
    uow: UnitOfWork,
    request: Request,
    purchase_id: uuid.UUID,
    action: str,
    actor: str,
    **details: Any,
) -> None:
    """Write what became of a request into the audit log."""
    about = {"request_id": str(request.id), "amount": request.amount}
    log_act(uow, actor, action, purchase_id, about | details)


def find_request(connection: sa.Connection, models: Models, request: Request) -> Request:
    """Return the request as it is now."""
    requests = models.table(models.RefundRequest)
    found = connection.execute(_select(models).where(requests.c.id == request.id)).mappings().one()
    return _read(cast(Row, found), request.acts)


def _requests_of(
    connection: sa.Connection, models: Models, purchase_id: uuid.UUID
) -> list[Request]:
    """All requests for a purchase, the newest first."""
    requests, log = models.table(models.RefundRequest), models.table(models.AuditLog)
    acts: dict[str, set[str]] = {}
    lines = sa.select(log.c.action, log.c.details).where(
        log.c.purchase_id == purchase_id, log.c.action.in_((REFUSED, UNCLEAR, GIVEN_UP, TOLD))
    )
    for action, details in connection.execute(lines):
        acts.setdefault(details["request_id"], set()).add(action)
    query = (
        _select(models)
        .where(requests.c.purchase_id == purchase_id)
        .order_by(requests.c.created_at.desc(), requests.c.id)
    )
    rows = cast(Sequence[Row], connection.execute(query).mappings().all())
    return [_read(row, frozenset(acts.get(str(row["id"]), ()))) for row in rows]


def ended_requests(
    connection: sa.Connection, models: Models, purchase_ids: Sequence[uuid.UUID]
) -> set[uuid.UUID]:
    """Return which requests of these purchases Stripe refused, or an operator gave up."""
    log = models.table(models.AuditLog).c
    query = sa.select(log.details["request_id"].as_string()).where(
        log.purchase_id.in_(purchase_ids), log.action.in_((REFUSED, GIVEN_UP))
    )
    return {uuid.UUID(id) for id in connection.scalars(query)}


def _select(models: Models) -> sa.Select[Any]:
    requests, refunds = models.table(models.RefundRequest), models.table(models.Refund)
    made = refunds.c.stripe_refund_id == requests.c.stripe_refund_id
    return sa.select(requests, refunds.c.status, refunds.c.live_rank).outerjoin(refunds, made)


def _read(row: Mapping[str, Any], acts: frozenset[str]) -> Request:
    own = {name: row[name] for name in ("id", "amount", "reason", "actor", "created_at")}
    return Request(
        **own,
        refund_id=row["stripe_refund_id"],
        refund_status=row["status"],
        refund_rank=row["live_rank"],
        acts=acts,
    )


def _resumed(uow: UnitOfWork, purchase: Row, current: Request, wish: Wish, left: int) -> Request:
    """Go on with a request whose answer was lost, if it is what is wanted."""
    wanted = current.amount if wish.amount is None and current.amount >= left else wish.amount
    if wanted != current.amount:
        amount = Money(current.amount, purchase["currency"])
        raise RefundRefused(
            f"a refund of {current.told(purchase['currency'])}, isn't finished: ask for {amount} "
            f"again, which goes on with it, before you ask for another amount"
        )
    log(uow, current, purchase["id"], RESUMED, wish.actor)
    return current


def _made_before(requests: Sequence[Request], amount: int | None, left: int) -> Request | None:
    """The newest request that was made and is what is wanted now, None when none is."""
    made = [request for request in requests if request.refund_id is not None]
    if amount is not None:
        return next((request for request in made if request.amount == amount), None)
    if left == 0:
        return made[0] if made else None
    # "All that is left" after a part is another wish, unless it is left because a refund failed.
    failed = made[:1] if made and not refund_takes(made[0].refund_rank) else []
    return next((request for request in failed if request.amount == left), None)


def _not_failed(made: Request, currency: str) -> Request:
    if refund_takes(made.refund_rank):
        return made
    raise RefundRefused(
        f"refund {made.refund_id} of {made.told(currency)}, is {made.refund_status}: "
        f"add --again to ask for another"
    )


def _possible(purchase: Row, amount: int, left: int, disputed: int) -> int:
    """Check that Stripe could do this, and return the amount."""
    currency = purchase["currency"]
    if disputed:
        raise RefundRefused(
            f"the buyer's bank withdrew {Money(disputed, currency)} in a dispute, and Stripe "
            f"refunds nothing of a payment in dispute: answer it in Stripe's Dashboard"
        )
    if left == 0:
        raise RefundRefused(f"all of {Money(purchase['amount_paid'], currency)} went back already")
    if amount > left:
        raise RefundRefused(
            f"{Money(amount, currency)} is more than the {Money(left, currency)} that are left of "
            f"the {Money(purchase['amount_paid'], currency)} paid"
        )
    if amount % smallest_step(currency):
        step = Money(smallest_step(currency), currency)
        raise RefundRefused(f"{Money(amount, currency)} isn't a multiple of {step}")
    return amount


def _new(uow: UnitOfWork, purchase: Row, amount: int, wish: Wish) -> Request:
    request = Request(uuid.uuid4(), amount, wish.reason, wish.actor, uow.now, None)
    uow.execute(
        sa.insert(uow.models.table(uow.models.RefundRequest)),
        {
            "id": request.id,
            "purchase_id": purchase["id"],
            "amount": amount,
            "reason": wish.reason,
            "actor": wish.actor,
            "created_at": uow.now,
        },
    )
    details = {"currency": purchase["currency"], "reason": wish.reason}
    log(uow, request, purchase["id"], REQUESTED, wish.actor, **details)
    return request
