"""Find purchases for an operator: by filters page by page, or one by anything that names it."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa

from .errors import InvalidFilter
from .facts import PurchaseStatus, Row
from .models import Models
from .stripe_objects import is_stripe_id, parse_uuid
from .tables import LONGEST_USER_ID

COLUMNS = (
    "id",
    "user_id",
    "package_code",
    "package_name",
    "amount_credits",
    "unit_amount",
    "amount_paid",
    "amount_refunded",
    "credits_revoked",
    "currency",
    "status",
    "review_reason",
    "review_decision",
    "livemode",
    "created_at",
    "paid_at",
    "completed_at",
    "stripe_checkout_session_id",
    "stripe_payment_intent_id",
)
LONGEST_TEXT = 255

_IN_SQLITE = re.compile(r"[0-9a-f]{32}\Z")
_OF_A_CHECKOUT = re.compile(r"(cs_(test|live)_[A-Za-z0-9]+|pi_[A-Za-z0-9_]{8,})\Z")


@dataclass(frozen=True, slots=True)
class PurchaseFilter:
    """Which purchases are wanted; what is None doesn't matter.

    :param status: one of :class:`.facts.PurchaseStatus`.
    :param user_id, package_code: exactly so.
    :param since, until: aware; made at ``since`` or later, and before ``until``.
    :param text: a purchase's id, its checkout session or its payment intent, exactly; or a part
        of the user's id or of the package's name, in small letters or capitals.
    :raises InvalidFilter: naming the field; no database would find that.
    """

    status: str | None = None
    user_id: str | None = None
    package_code: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if self.status is not None and self.status not in tuple(PurchaseStatus):
            known = ", ".join(PurchaseStatus)
            raise InvalidFilter("status", f"is {self.status!r}; it can be {known}")
        longest = {"user_id": LONGEST_USER_ID, "package_code": 50, "text": LONGEST_TEXT}
        for field, length in longest.items():
            _check_text(field, getattr(self, field), length)
        check_period(self.since, self.until)


def check_period(since: dt.datetime | None, until: dt.datetime | None) -> None:
    """Refuse a period that has no time zone, or ends before it begins.

    :raises InvalidFilter: naming ``since`` or ``until``.
    """
    for field, moment in (("since", since), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidFilter(field, "has no time zone")
    if since is not None and until is not None and since >= until:
        raise InvalidFilter("until", "isn't later than since")


def search_purchases(
    connection: sa.Connection,
    models: Models,
    wanted: PurchaseFilter,
    *,
    limit: int,
    after: uuid.UUID | None = None,
) -> tuple[list[Row], bool]:
    """Return a page of purchases, newest first, and whether there are more. Only reads.

    Amounts are minor units of the row's ``currency``.

    :param limit: rows of the page, 1 or more.
    :param after: the last purchase of the page before; what was made meanwhile neither repeats
        nor hides a row. One that doesn't exist, or isn't before ``until``, ends the list.
    """
    table = models.table(models.Purchase)
    c = table.c
    query = sa.select(*(c[name] for name in COLUMNS)).where(*_conditions(c, wanted))
    before_until = () if wanted.until is None else (c.created_at < wanted.until,)
    if after is None:
        query = query.where(*before_until)
    else:
        # The only upper bound: of two, SQLite may begin at the one that all pages before lie under.
        last = sa.select(c.created_at).where(c.id == after, *before_until)
        if wanted.user_id is not None:
            # Of another user's purchase nobody learns when it was made, or that it was.
            last = last.where(c.user_id == wanted.user_id)
        created_at = last.scalar_subquery()
        # In this form, unlike one OR over both columns, an index finds the first row.
        query = query.where(
            c.created_at <= created_at, sa.or_(c.created_at < created_at, c.id > after)
        )
    query = query.order_by(c.created_at.desc(), c.id).limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    return cast(list[Row], rows[:limit]), len(rows) > limit


def find_purchase(connection: sa.Connection, models: Models, reference: str) -> uuid.UUID | None:
    """Return the purchase that ``reference`` names, None when it names none. Only reads.

    :param reference: the id of a purchase, of one of its grants or requests for a refund, or
        Stripe's of its checkout session, payment intent, refund, dispute or of an event.
    """
    purchase_id = _our_id(reference.lower())
    if purchase_id is not None:
        lookups = _by_our_ids(models, purchase_id)
    elif is_stripe_id(reference):
        lookups = _by_stripes_ids(models, reference)
    else:
        return None
    return cast(uuid.UUID | None, connection.scalar(sa.union_all(*lookups)))


def _our_id(reference: str) -> uuid.UUID | None:
    """An id of ours, also as it stands in a file of SQLite's: without dashes."""
    return uuid.UUID(reference) if _IN_SQLITE.match(reference) else parse_uuid(reference)


def _conditions(c: Any, wanted: PurchaseFilter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.status is not None:
        yield c.status == wanted.status
    if wanted.user_id is not None:
        yield c.user_id == wanted.user_id
    if wanted.package_code is not None:
        yield c.package_code == wanted.package_code
    if wanted.since is not None:
        yield c.created_at >= wanted.since
    if wanted.text is not None:
        yield _matches(c, wanted.text.strip())


def _matches(c: Any, text: str) -> sa.ColumnElement[bool]:
    """An id is looked up where an index has it; anything else is looked for in every row."""
    purchase_id = parse_uuid(text.lower())
    if purchase_id is not None:
        # Hosts name their users by such ids, too.
        return sa.or_(c.id == purchase_id, c.user_id == text)
    if _OF_A_CHECKOUT.match(text):
        return sa.or_(
            c.stripe_checkout_session_id == text,
            c.stripe_payment_intent_id == text,
            c.user_id == text,
        )
    return sa.or_(
        c.user_id.icontains(text, autoescape=True), c.package_name.icontains(text, autoescape=True)
    )


def _by_our_ids(models: Models, id: uuid.UUID) -> Iterator[sa.Select[Any]]:
    purchases = models.table(models.Purchase).c
    yield sa.select(purchases.id).where(purchases.id == id)
    for model in (models.Grant, models.RefundRequest):
        c = models.table(model).c
        yield (
            sa.select(purchases.id)
            .join(c.id.table, c.purchase_id == purchases.id)
            .where(c.id == id)
        )


def _by_stripes_ids(models: Models, id: str) -> Iterator[sa.Select[Any]]:
    purchases = models.table(models.Purchase)
    found, payment = sa.select(purchases.c.id), purchases.c.stripe_payment_intent_id
    yield found.where(purchases.c.stripe_checkout_session_id == id)
    yield found.where(payment == id)
    refunds, disputes = models.table(models.Refund).c, models.table(models.Dispute).c
    for key in (refunds.stripe_refund_id, disputes.stripe_dispute_id):
        of_payment = key.table.c.stripe_payment_intent_id == payment
        yield found.join(key.table, of_payment).where(key == id)
    requests, events = models.table(models.RefundRequest).c, models.table(models.WebhookEvent).c
    for key in (requests.stripe_refund_id, events.stripe_event_id):
        # What an event names may be missing: a backup was restored.
        yield found.join(key.table, key.table.c.purchase_id == purchases.c.id).where(key == id)


def _check_text(field: str, value: str | None, longest: int) -> None:
    if value is None:
        return
    if not value.strip():
        raise InvalidFilter(field, "is empty")
    if len(value) > longest:
        raise InvalidFilter(field, f"is longer than {longest} characters")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidFilter(field, "has characters that no text can have")
