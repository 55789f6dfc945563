"""Every statement of the money's path, built once for each database.

Building one costs as much as running it. Parameters: ``purchase_id``, ``user_id`` and
``payment_intent_id`` are ours and Stripe's ids; inserts and updates take column names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from .errors import ConfigurationError
from .models import Models

if TYPE_CHECKING:
    Query = sa.Select[*tuple[Any, ...]]

_INSERT = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}

# The ranks of ``live_rank`` that decide about money: failed or canceled, and funds withdrawn.
FIRST_DEAD_REFUND = 30
WITHDRAWN = range(10, 20)

# What only opening a checkout needs: not read where money is decided, which is far more often.
_OF_THE_CHECKOUT = frozenset(
    "package_id stripe_price_id checkout_params checkout_attempt checkout_claimed_until "
    "idempotency_key request_hash stripe_checked_at".split()
)


def refund_is_live(rank: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether the money of a refund goes back: pending or succeeded, not failed or canceled."""
    return rank < FIRST_DEAD_REFUND


def dispute_is_live(rank: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether the money of a dispute was withdrawn and not returned."""
    return rank.between(WITHDRAWN.start, WITHDRAWN.stop - 1)


def _one_of(column: sa.ColumnElement[str], *values: Any) -> sa.ColumnElement[bool]:
    """As ``in_``, whose list SQLAlchemy writes into the statement anew at every execution."""
    return sa.or_(*(column == value for value in values))


def _newest(insert: Any, table: sa.Table, key: str) -> Any:
    """Insert what is told of a reversal; a row that knows better stays as it is."""
    statement = insert(table)
    told = ("amount", "status", "live_rank", "updated_at")
    return statement.on_conflict_do_update(
        index_elements=[table.c[key]],
        set_={name: statement.excluded[name] for name in told},
        where=table.c.live_rank < statement.excluded.live_rank,
    )


class Statements:
    """The statements for one set of models and one dialect."""

    take_write_lock: sa.Update
    lock_payment: sa.Insert
    lock_buyer: sa.Insert
    lock_purchase: Query
    lock_purchase_by_session: Query
    lock_purchase_by_payment: Query
    find_session: Query
    insert_purchase: sa.Insert
    update_purchase: sa.Update
    update_purchase_of_grant: sa.Update
    find_purchase_by_key: Query
    find_recent_purchase: Query
    find_newest_times: Query
    find_superseded: Query
    find_active_package: Query
    read_sums: Query
    upsert_refund: sa.Insert
    sum_refunds: Query
    finish_request: sa.Update
    upsert_dispute: sa.Insert
    insert_grant: sa.Insert
    insert_audit: sa.Insert
    find_event: Query
    upsert_event: sa.Insert
    find_due_grant: Query
    find_due_grant_of: Query
    count_undelivered: Query
    find_purchase: Query
    lock_undelivered: Query
    claim_grant: sa.Update
    mark_delivered: sa.Update
    mark_failed: sa.Update

    def __init__(self, models: Models, dialect: str) -> None:
        if dialect not in _INSERT:
            raise ConfigurationError(
                f"flask-stripe-credits works on PostgreSQL and SQLite, not on {dialect}"
            )
        insert: Any = _INSERT[dialect]
        self._locks(models, insert)
        self._purchases(models)
        self._checkouts(models)
        self._facts(models)
        self._reversals(models, insert)
        self._grants(models, insert)
        self._outbox(models)

    def _locks(self, models: Models, insert: Any) -> None:
        payments, buyers = models.table(models.Payment), models.table(models.Buyer)
        self.take_write_lock = (
            sa.update(payments).values(stripe_payment_intent_id="").where(sa.false())
        )
        # DO UPDATE locks a row that is already there; DO NOTHING would not.
        payment = insert(payments).values(
            stripe_payment_intent_id=sa.bindparam("payment_intent_id")
        )
        self.lock_payment = payment.on_conflict_do_update(
            index_elements=[payments.c.stripe_payment_intent_id],
            set_={"stripe_payment_intent_id": payment.excluded.stripe_payment_intent_id},
        )
        buyer = insert(buyers)
        self.lock_buyer = buyer.on_conflict_do_update(
            index_elements=[buyers.c.user_id], set_={"user_id": buyer.excluded.user_id}
        )

    def _purchases(self, models: Models) -> None:
        purchases = models.table(models.Purchase)
        c, bind = purchases.c, sa.bindparam
        other = purchases.alias("other")
        # Whose the payment is already; None without one. Asked here, where it costs no round trip.
        payment_owner = (
            sa.select(other.c.id)
            .where(other.c.stripe_payment_intent_id == bind("payment_intent_id", None))
            .scalar_subquery()
            .label("payment_owner_id")
        )
        decisive = [column for column in c if column.name not in _OF_THE_CHECKOUT]
        self.lock_purchase = (
            sa.select(purchases, payment_owner)
            .where(c.id == bind("purchase_id"))
            .with_for_update(of=purchases)
        )
        self.lock_purchase_by_session = (
            sa.select(*decisive, payment_owner)
            .where(c.stripe_checkout_session_id == bind("session_id"))
            .with_for_update(of=purchases)
        )
        self.lock_purchase_by_payment = (
            sa.select(*decisive)
            .where(c.stripe_payment_intent_id == bind("payment_intent_id"))
            .with_for_update()
        )
        self.find_session = sa.select(c.id).where(
            c.stripe_checkout_session_id == bind("session_id")
        )
        self.insert_purchase = sa.insert(purchases)
        self.update_purchase = sa.update(purchases).where(c.id == bind("purchase_key"))
        grants = models.table(models.Grant)
        self.update_purchase_of_grant = self.update_purchase.where(
            sa.exists().where(grants.c.id == bind("grant_key"))
        )

    def _checkouts(self, models: Models) -> None:
        purchases, packages = models.table(models.Purchase), models.table(models.Package)
        c, p, bind = purchases.c, packages.c, sa.bindparam
        of_buyer, pending = c.user_id == bind("user_id"), c.status == "pending"
        now: sa.BindParameter[Any] = bind("now")
        newest_first = (c.created_at.desc(), c.id)
        # No request opens or closes the checkout just now.
        unclaimed = sa.or_(c.checkout_claimed_until.is_(None), c.checkout_claimed_until <= now)
        self.find_purchase_by_key = sa.select(purchases).where(
            of_buyer, c.idempotency_key == bind("idempotency_key")
        )
        # The same click a moment ago, if the package is still sold for the same.
        self.find_recent_purchase = (
            sa.select(purchases)
            .join(packages, p.id == c.package_id)
            .where(
                of_buyer,
                c.request_hash == bind("request_hash"),
                pending,
                c.created_at > bind("since"),
                sa.or_(c.expires_at.is_(None), c.expires_at > now),
                sa.or_(c.checkout_url.is_(None), unclaimed),
                p.is_active,
                p.credits == c.amount_credits,
                p.unit_amount == c.unit_amount,
                p.currency == c.currency,
                p.stripe_price_id.is_not_distinct_from(c.stripe_price_id),
            )
            .order_by(*newest_first)
            .limit(1)
        )
        self.find_newest_times = (
            sa.select(c.created_at)
            .where(of_buyer, c.created_at > bind("since"))
            .order_by(c.created_at.desc())
            .limit(bind("most"))
        )
        self.find_superseded = (
            sa.select(c.id, c.stripe_checkout_session_id)
            .where(
                of_buyer,
                c.id != bind("purchase_id"),
                pending,
                c.stripe_checkout_session_id.is_not(None),
                c.expires_at > now,
                unclaimed,
            )
            .order_by(*newest_first)
            .offset(bind("kept"))
        )
        self.find_active_package = sa.select(packages).where(
            p.package_code == bind("package_code"), p.is_active
        )

    def _facts(self, models: Models) -> None:
        refunds, disputes = models.table(models.Refund), models.table(models.Dispute)
        grants = models.table(models.Grant)

        def total(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
            # PostgreSQL's sum(bigint) is a Decimal, whose // rounds the other way.
            return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)

        def about_payment(table: sa.Table, live: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
            return (
                sa.select(total(table.c.amount))
                .where(
                    table.c.stripe_payment_intent_id == sa.bindparam("payment_intent_id"),
                    table.c.currency == sa.bindparam("currency"),
                    live,
                )
                .scalar_subquery()
            )

        def of_purchase(column: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
            return (
                sa.select(column)
                .where(grants.c.purchase_id == sa.bindparam("purchase_id"))
                .scalar_subquery()
            )

        # A later statement than the locks: under READ COMMITTED it sees what they waited for.
        self.read_sums = sa.select(
            about_payment(refunds, refund_is_live(refunds.c.live_rank)).label("refunded"),
            about_payment(disputes, dispute_is_live(disputes.c.live_rank)).label("disputed"),
            of_purchase(total(grants.c.credits)).label("posted"),
            of_purchase(sa.func.coalesce(sa.func.max(grants.c.sequence), 0)).label("sequence"),
        )

    def _reversals(self, models: Models, insert: Any) -> None:
        self.upsert_refund = _newest(insert, models.table(models.Refund), "stripe_refund_id")
        refunds = models.table(models.Refund)
        self.sum_refunds = sa.select(sa.func.coalesce(sa.func.sum(refunds.c.amount), 0)).where(
            refunds.c.stripe_payment_intent_id == sa.bindparam("payment_intent_id"),
            refund_is_live(refunds.c.live_rank),
        )
        requests = models.table(models.RefundRequest)
        other = requests.alias("other")
        taken = sa.exists().where(other.c.stripe_refund_id == sa.bindparam("refund_id"))
        # What the marker says counts only where all else fits: anybody with a key can write it.
        self.finish_request = (
            sa.update(requests)
            .where(
                requests.c.id == sa.bindparam("request_id"),
                requests.c.purchase_id == sa.bindparam("of_purchase"),
                requests.c.amount == sa.bindparam("refunded"),
                requests.c.stripe_refund_id.is_(None),
                ~taken,
            )
            .values(stripe_refund_id=sa.bindparam("refund_id"))
        )
        self.upsert_dispute = _newest(insert, models.table(models.Dispute), "stripe_dispute_id")

    def _grants(self, models: Models, insert: Any) -> None:
        events = models.table(models.WebhookEvent)
        self.insert_grant = sa.insert(models.table(models.Grant))
        self.insert_audit = sa.insert(models.table(models.AuditLog)).inline()
        self.find_event = sa.select(events.c.stripe_event_id).where(
            events.c.stripe_event_id == sa.bindparam("event_id"),
            _one_of(events.c.verdict, sa.bindparam("verdict"), "dismissed"),
        )
        event = insert(events)
        kept = ("error_class", "updated_at")
        told = event.excluded
        self.upsert_event = event.on_conflict_do_update(
            index_elements=[events.c.stripe_event_id],
            set_={name: told[name] for name in kept}
            | {
                "attempts": events.c.attempts + 1,
                "purchase_id": sa.func.coalesce(told.purchase_id, events.c.purchase_id),
                # An operator's word is final, however often Stripe delivers it; and what waits
                # for one goes on waiting when another delivery of it fails.
                "verdict": sa.case(
                    (
                        sa.or_(
                            events.c.verdict == "dismissed",
                            sa.and_(
                                told.verdict == "failed",
                                _one_of(events.c.verdict, "review", "orphan"),
                            ),
                        ),
                        events.c.verdict,
                    ),
                    else_=told.verdict,
                ),
            },
        )

    def _outbox(self, models: Models) -> None:
        grants, purchases = models.table(models.Grant), models.table(models.Purchase)
        g, p, earlier = grants.c, purchases.c, grants.alias("earlier").c
        bind = sa.bindparam
        undelivered = g.delivered_at.is_(None)
        # A take-back must not overtake the grant that it takes back.
        overtakes = sa.exists().where(
            earlier.purchase_id == g.purchase_id,
            earlier.sequence < g.sequence,
            earlier.delivered_at.is_(None),
        )
        # While an operator has to decide, or has dismissed it, nobody is handed anything.
        undecided = sa.and_(p.review_reason.is_not(None), p.review_decision.is_(None))
        dismissed = sa.func.coalesce(p.review_decision, "") == bind("dismissed")
        decided = sa.and_(~undecided, ~dismissed)
        free = sa.or_(g.claimed_until.is_(None), g.claimed_until <= bind("now"))
        self.find_due_grant = (
            sa.select(grants)
            .join(purchases, p.id == g.purchase_id)
            .where(
                undelivered,
                g.next_attempt_at <= bind("due_at"),
                free,
                decided,
                ~overtakes,
            )
            .order_by(g.next_attempt_at, g.sequence)
            .limit(1)
            .with_for_update(of=grants, skip_locked=True)
        )
        self.find_due_grant_of = self.find_due_grant.where(g.purchase_id == bind("purchase_id"))
        self.count_undelivered = (
            sa.select(
                sa.func.count().filter(decided, free).label("left"),
                sa.func.count().filter(undecided).label("in_review"),
            )
            .join_from(grants, purchases, p.id == g.purchase_id)
            .where(undelivered)
        )
        self.find_purchase = sa.select(purchases).where(p.id == bind("purchase_id"))
        self.lock_undelivered = (
            sa.select(grants)
            .where(g.purchase_id == bind("purchase_id"), undelivered)
            .order_by(g.sequence)
            .with_for_update()
        )
        one = sa.update(grants).where(g.id == bind("grant_id"), undelivered)
        self.claim_grant = one
        self.mark_delivered = one.values(claimed_until=None, last_error=None)
        # Nobody has claimed it since: whoever does has a higher number.
        self.mark_failed = one.where(g.attempts == bind("attempt")).values(claimed_until=None)
