"""What recording a fact comes to, and the locks that it takes: payment before purchase."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from ..unit_of_work import UnitOfWork

Row = Mapping[str, Any]


class Verdict(StrEnum):
    """What became of something that Stripe told us."""

    HANDLED = "handled"
    IGNORED = "ignored"
    KEPT = "kept"
    REVIEW = "review"
    ORPHAN = "orphan"
    FAILED = "failed"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Reasons:
    """What a grant is called that is not its purchase's first.

    :ivar taken: when credits are taken back; None: for what went back, refund or dispute.
    :ivar given: when credits are given back.
    """

    taken: str | None = None
    given: str = "purchase"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact that was recognised: the locked purchase and the columns that the fact changes.

    :ivar purchase: the row as it was before, None when there is nothing to fulfill.
    :ivar reasons: of a grant that takes credits back for this fact, or gives them back.
    :ivar flag: why somebody has to look at this, None when nobody has to.
    :ivar actor: who says so, for the audit log.
    """

    verdict: Verdict
    purchase: Row | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    reasons: Reasons = field(default=Reasons())
    flag: str | None = None
    purchase_id: uuid.UUID | None = None
    actor: str = "stripe"


IGNORED = Recorded(Verdict.IGNORED)


def lock_payment(uow: UnitOfWork, payment_intent_id: str) -> None:
    """Have everybody who knows this payment intent wait for us, also before it has a purchase."""
    if uow.sql.lock_payment is not None:
        uow.execute(uow.sql.lock_payment, {"payment_intent_id": payment_intent_id})


def lock_purchase(uow: UnitOfWork, purchase_id: uuid.UUID) -> Row | None:
    """Lock and return one purchase, None when there is none."""
    found = uow.execute(uow.sql.lock_purchase, {"purchase_id": purchase_id})
    return cast(Row | None, found.mappings().first())


def lock_purchase_of_payment(uow: UnitOfWork, payment_intent_id: str) -> Row | None:
    """Lock the purchase that this payment intent paid, None while none is known.

    :returns: its ``id``, ``currency`` and ``package_code``.
    """
    found = uow.execute(uow.sql.lock_purchase_by_payment, {"payment_intent_id": payment_intent_id})
    return cast(Row | None, found.mappings().first())


def lock_facts(
    uow: UnitOfWork, purchase_id: uuid.UUID, payment_intent_id: str | None = None
) -> Row | None:
    """Lock one purchase and return what is known of it then: see :func:`read_facts`."""
    if lock_purchase(uow, purchase_id) is None:
        return None
    return read_facts(uow, purchase_id, payment_intent_id)


def lock_facts_of_session(
    uow: UnitOfWork, session_id: str, payment_intent_id: str | None
) -> Row | None:
    """Lock a session's payment, then the purchase whose session it is, and return what is known.

    See :func:`read_facts`.

    :returns: None when it is no purchase's session; the payment is locked all the same.
    """
    known = {"session_id": session_id, "payment_intent_id": payment_intent_id}
    named = payment_intent_id is not None
    lock = uow.sql.lock_payment_and_session if named else uow.sql.lock_session
    if lock is not None and uow.execute(lock, known).first() is None:
        return None
    return cast(Row | None, uow.execute(uow.sql.read_facts_of_session, known).mappings().first())


def read_facts(
    uow: UnitOfWork, purchase_id: uuid.UUID, payment_intent_id: str | None = None
) -> Row:
    """Return a locked purchase, and what :func:`.fulfillment.fulfill` computes with.

    That is ``refunded`` and ``disputed`` of its payment, and ``posted`` and ``sequence`` of its
    grants. ``payment_owner_id`` is the purchase that ``payment_intent_id`` paid.

    :param payment_intent_id: what a fact names; the purchase may not be linked to it yet.
    """
    known = {"purchase_id": purchase_id, "payment_intent_id": payment_intent_id}
    return cast(Row, uow.execute(uow.sql.read_facts, known).mappings().one())
