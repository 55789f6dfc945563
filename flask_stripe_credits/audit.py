"""Check the invariants over the whole database: reads everything, writes nothing, asks nobody."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy as sa

from .audit_trail import Trail, gaps_of
from .facts import Reversals, Row, Verdict
from .invariants import NOTHING_WENT_BACK, OVERDUE, Account, Breach, Rule, breaches_of
from .reading import ROWS_AT_A_TIME, read_pages, reading
from .review_queue import count_waiting
from .state import AppState
from .statements import dispute_is_live, refund_is_live

_COLUMNS = (
    "id user_id amount_credits currency stripe_checkout_session_id stripe_payment_intent_id "
    "session_completed_at paid_at failed_at expired_at amount_paid review_reason review_decision "
    "reviewed_at reviewed_by review_note status amount_refunded credits_revoked completed_at"
).split()
_GRANT_COLUMNS = (
    "purchase_id sequence user_id credits reason created_at delivered_at attempts last_error"
).split()


@dataclass(slots=True)
class Audit:
    """One run over all purchases. The figures are final when :meth:`breaches` has ended.

    :ivar due, posted: credits of all purchases.
    :ivar waiting: what waits for an operator, by name.
    """

    state: AppState
    purchases: int = 0
    grants: int = 0
    due: int = 0
    posted: int = 0
    found: int = 0
    waiting: dict[str, int] = field(default_factory=dict)

    def breaches(self) -> Iterator[Breach]:
        """Yield each breach, with bounded memory however many purchases there are.

        A batch of purchases is read in one moment of the database with all that belongs to
        them, so that live webhooks cause no false alarm and no transaction lasts long.

        :raises DatabaseBusy, TablesOutOfDate: when the database can't be read.
        """
        for breach in itertools.chain(self._of_purchases(), self._of_all()):
            self.found += 1
            yield breach

    def _of_purchases(self) -> Iterator[Breach]:
        after = uuid.UUID(int=0)
        allow_free = self.state.settings.allow_free
        while batch := self._next_batch(after):
            after = batch[-1][0].purchase["id"]
            # Later than every row of the batch, whose clocks may be other machines'.
            now = dt.datetime.now(dt.UTC)
            for account, trail in batch:
                self.purchases += 1
                self.grants += len(account.grants)
                self.posted += account.posted
                self.due += account.due(allow_free=allow_free)
                breaches = list(breaches_of(account, allow_free=allow_free, now=now))
                yield from breaches or _gaps(account, trail)

    def _next_batch(self, after: uuid.UUID) -> list[tuple[Account, Trail]]:
        table = self.state.models.table(self.state.models.Purchase)
        columns = [table.c[name] for name in _COLUMNS]
        query = (
            sa.select(*columns).where(table.c.id > after).order_by(table.c.id).limit(ROWS_AT_A_TIME)
        )
        with reading(self.state) as connection:
            purchases = connection.execute(query).mappings().all()
            if not purchases:
                return []
            batch = _Batch(self.state, connection, after, purchases[-1]["id"])
            grants, facts = batch.grants(), batch.facts()
            lines, requests = batch.lines(), batch.requests()
        nothing = _Facts()
        checked = []
        for purchase in cast(Sequence[Row], purchases):
            known = facts.get(purchase["id"], nothing)
            id = purchase["id"]
            its_grants = grants.get(id, ())
            account = Account(purchase, its_grants, known.reversals, known.foreign)
            trail = Trail(lines.get(id, ()), len(its_grants), requests.get(id, ()))
            checked.append((account, trail))
        return checked

    def _of_all(self) -> Iterator[Breach]:
        """What no purchase has, or two have."""
        with reading(self.state) as connection:
            self.waiting = _waiting(self.state, connection)
        yield from _shared(self.state)
        yield from _stray_grants(self.state)
        yield from _stray_events(self.state)


def _gaps(account: Account, trail: Trail) -> Iterator[Breach]:
    """What is wrong by itself needs no other explanation, so this is asked of the rest."""
    for gap in gaps_of(account.purchase, trail):
        yield Breach(Rule.LOG, gap, str(account.purchase["id"]))


@dataclass(slots=True)
class _Facts:
    """What went back of one payment."""

    reversals: Reversals = NOTHING_WENT_BACK
    foreign: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What belongs to the purchases of one range of ids."""

    state: AppState
    connection: sa.Connection
    after: uuid.UUID
    last: uuid.UUID

    def grants(self) -> Mapping[uuid.UUID, Sequence[Row]]:
        table = self.state.models.table(self.state.models.Grant)
        query = (
            sa.select(*(table.c[name] for name in _GRANT_COLUMNS))
            .where(table.c.purchase_id > self.after, table.c.purchase_id <= self.last)
            .order_by(table.c.purchase_id, table.c.sequence)
        )
        return self._by_purchase(query)

    def lines(self) -> Mapping[uuid.UUID, Sequence[Row]]:
        """The audit log."""
        c = self.state.models.table(self.state.models.AuditLog).c
        query = (
            sa.select(c.purchase_id, c.actor, c.action, c.details)
            .where(c.purchase_id > self.after, c.purchase_id <= self.last)
            .order_by(c.id)
        )
        return self._by_purchase(query)

    def requests(self) -> Mapping[uuid.UUID, Sequence[Row]]:
        """Operators' requests for refunds."""
        c = self.state.models.table(self.state.models.RefundRequest).c
        query = sa.select(c.purchase_id, c.id, c.actor).where(
            c.purchase_id > self.after, c.purchase_id <= self.last
        )
        return self._by_purchase(query)

    def _by_purchase(self, query: sa.Select[Any]) -> Mapping[uuid.UUID, Sequence[Row]]:
        found: dict[uuid.UUID, list[Row]] = defaultdict(list)
        for row in self.connection.execute(query).mappings():
            found[row["purchase_id"]].append(cast(Row, row))
        return found

    def facts(self) -> Mapping[uuid.UUID, _Facts]:
        models = self.state.models
        refunds, disputes = models.table(models.Refund), models.table(models.Dispute)
        found: dict[uuid.UUID, _Facts] = defaultdict(_Facts)
        for row in self._reversals(refunds, refund_is_live(refunds.c.live_rank)):
            self._add(found[row["id"]], row, "refund", Reversals(refunded=row["amount"]))
        for row in self._reversals(disputes, dispute_is_live(disputes.c.live_rank)):
            self._add(found[row["id"]], row, "dispute", Reversals(disputed=row["amount"]))
        return found

    def _reversals(self, table: sa.Table, live: sa.ColumnElement[bool]) -> Sequence[Row]:
        """Refunds or disputes of the batch: those in another currency, and those that count."""
        purchases = self.state.models.table(self.state.models.Purchase)
        (key,) = table.primary_key.columns
        same_payment = table.c.stripe_payment_intent_id == purchases.c.stripe_payment_intent_id
        foreign = table.c.currency != purchases.c.currency
        query = (
            sa.select(
                purchases.c.id,
                key.label("key"),
                table.c.amount,
                table.c.currency,
                foreign.label("foreign"),
            )
            .join(table, same_payment)
            .where(purchases.c.id > self.after, purchases.c.id <= self.last)
            .where(sa.or_(live, foreign))
        )
        return cast(Sequence[Row], self.connection.execute(query).mappings().all())

    @staticmethod
    def _add(facts: _Facts, row: Row, kind: str, reversals: Reversals) -> None:
        if row["foreign"]:
            facts.foreign.append(f"{kind} {row['key']} is in {row['currency']}")
            return
        facts.reversals = Reversals(
            facts.reversals.refunded + reversals.refunded,
            facts.reversals.disputed + reversals.disputed,
        )


def _shared(state: AppState) -> Iterator[Breach]:
    """Checkout sessions and payments of several purchases: one payment would pay for both."""
    purchases = state.models.table(state.models.Purchase)
    for name in ("stripe_checkout_session_id", "stripe_payment_intent_id"):
        column = purchases.c[name]
        query = (
            sa.select(column.label("value"), sa.func.count().label("sharing"))
            .where(column.is_not(None))
            .group_by(column)
            .having(sa.func.count() > 1)
        )
        for row in read_pages(state, query, column):
            yield Breach(Rule.SHARED, f"{row.sharing} purchases have the {name} {row.value}")


def _stray_grants(state: AppState) -> Iterator[Breach]:
    models = state.models
    purchases, grants = models.table(models.Purchase).c, models.table(models.Grant).c
    query = sa.select(grants.id, grants.credits, grants.purchase_id).where(
        ~sa.exists().where(purchases.id == grants.purchase_id)
    )
    for row in read_pages(state, query, grants.id):
        problem = f"grant {row.id} of {row.credits} credits belongs to no purchase"
        yield Breach(Rule.STRAY, problem, str(row.purchase_id))


def _stray_events(state: AppState) -> Iterator[Breach]:
    models = state.models
    purchases, events = models.table(models.Purchase).c, models.table(models.WebhookEvent).c
    query = sa.select(events.stripe_event_id, events.verdict, events.purchase_id).where(
        events.purchase_id.is_not(None),
        # Told already, and perhaps dismissed: its purchase was missing when it came.
        events.verdict.not_in((Verdict.ORPHAN, Verdict.DISMISSED)),
        ~sa.exists().where(purchases.id == events.purchase_id),
    )
    for row in read_pages(state, query, events.stripe_event_id):
        problem = f"event {row.stripe_event_id} ({row.verdict}) is about a purchase that is gone"
        yield Breach(Rule.STRAY, problem, str(row.purchase_id))


def _waiting(state: AppState, connection: sa.Connection) -> dict[str, int]:
    counts = count_waiting(state.models, connection)
    events = state.models.table(state.models.WebhookEvent)
    overdue = dt.datetime.now(dt.UTC) - OVERDUE
    failed = sa.select(sa.func.count()).where(
        events.c.verdict == Verdict.FAILED, events.c.received_at < overdue
    )
    return counts | {"failed event": connection.execute(failed).scalar_one()}
