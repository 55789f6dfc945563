"""Every statement of the money's path, built once for each database.

Building one costs as much as running it. Parameters: ``purchase_id``, ``user_id`` and
``payment_intent_id`` are ours and Stripe's ids; inserts and updates take column names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from .errors import ConfigurationError
from .models import Models

if TYPE_CHECKING:
    Query = sa.Select[*tuple[Any, ...]]

_INSERT = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}

# The ranks of ``live_rank`` that decide about money: failed or canceled, and funds withdrawn.
FIRST_DEAD_REFUND = 30
WITHDRAWN = range(10, 20)

# What only opening a checkout needs, and who looks at a decision: not read where Stripe's events
# decide about money, which is far more often.
_DECIDE_NOTHING = frozenset(
    "package_id stripe_price_id checkout_params checkout_attempt checkout_claimed_until "
    "idempotency_key request_hash stripe_checked_at reviewed_at reviewed_by review_note "
    "updated_at".split()
)


def _constant(value: int | str) -> sa.ColumnElement[Any]:
    """One of our own values, written into the statement: a parameter is sent and read each time."""
    return sa.literal_column(repr(value))


def refund_is_live(rank: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether the money of a refund goes back: pending or succeeded, not failed or canceled."""
    return rank < _constant(FIRST_DEAD_REFUND)


def dispute_is_live(rank: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether the money of a dispute was withdrawn and not returned."""
    return rank.between(_constant(WITHDRAWN.start), _constant(WITHDRAWN.stop - 1))


def undecided(purchases: ReadOnlyColumnCollection[str, sa.Column[Any]]) -> sa.ColumnElement[bool]:
    """An operator has to decide on the purchase: until then nobody is handed its grants."""
    return sa.and_(purchases.review_reason.is_not(None), purchases.review_decision.is_(None))


def dismissed(
    purchases: ReadOnlyColumnCollection[str, sa.Column[Any]], decision: Any
) -> sa.ColumnElement[bool]:
    """An operator has dismissed the purchase: what isn't delivered by then never is.

    :param decision: the word for it; a module of the facts' knows it.
    """
    is_so: sa.ColumnElement[bool] = sa.func.coalesce(purchases.review_decision, "") == decision
    return is_so


def _newest(insert: Any, table: sa.Table, key: str) -> Any:
    """Insert what is told of a reversal; a row that knows better stays as it is."""
    statement = insert(table)
    told = ("amount", "status", "live_rank", "updated_at", "package_code")
    return statement.on_conflict_do_update(
        index_elements=[table.c[key]],
        set_={name: statement.excluded[name] for name in told},
        where=table.c.live_rank < statement.excluded.live_rank,
    )


def _grant_is_there(models: Models) -> sa.ColumnElement[bool]:
    return sa.exists().where(models.table(models.Grant).c.id == sa.bindparam("grant_key"))


def _upserted(statement: Any, events: sa.Table) -> Any:
    """Note an event, or another attempt at one that is in the inbox."""
    told, known = statement.excluded, events.c
    return statement.on_conflict_do_update(
        index_elements=[known.stripe_event_id],
        set_={
            "error_class": told.error_class,
            "updated_at": told.updated_at,
            "attempts": known.attempts + _constant(1),
            "purchase_id": sa.func.coalesce(told.purchase_id, known.purchase_id),
            # An operator's word is final, however often Stripe delivers it; and what waits for one
            # goes on waiting when another delivery of it fails.
            "verdict": sa.case(
                (
                    sa.or_(
                        known.verdict == _constant("dismissed"),
                        sa.and_(
                            told.verdict == _constant("failed"),
                            known.verdict.in_((_constant("review"), _constant("orphan"))),
                        ),
                    ),
                    known.verdict,
                ),
                else_=told.verdict,
            ),
        },
    )


def known_of_purchase(models: Models) -> tuple[sa.Label[Any], ...]:
    """What to select beside a purchase: what went back of its payment, and what is posted.

    The parameter ``payment_intent_id`` may be left out: the payment of a purchase that is linked to
    none yet. ``payment_owner_id`` is the purchase that is.
    """
    payment = sa.bindparam("payment_intent_id", None, sa.String())
    purchases = models.table(models.Purchase)
    refunds, disputes = models.table(models.Refund).c, models.table(models.Dispute).c
    grants, other = models.table(models.Grant).c, purchases.alias("other").c
    its_payment = sa.func.coalesce(purchases.c.stripe_payment_intent_id, payment)

    def total(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        # PostgreSQL's sum(bigint) is a Decimal, whose // rounds the other way.
        return sa.cast(sa.func.coalesce(sa.func.sum(column), _constant(0)), sa.BigInteger)

    def about_payment(of: Any, live: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return (
            sa.select(total(of.amount))
            .where(
                of.stripe_payment_intent_id == its_payment,
                of.currency == purchases.c.currency,
                live,
            )
            .scalar_subquery()
        )

    def of_purchase(column: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
        return sa.select(column).where(grants.purchase_id == purchases.c.id).scalar_subquery()

    owner = sa.select(other.id).where(other.stripe_payment_intent_id == payment).scalar_subquery()
    return (
        owner.label("payment_owner_id"),
        about_payment(refunds, refund_is_live(refunds.live_rank)).label("refunded"),
        about_payment(disputes, dispute_is_live(disputes.live_rank)).label("disputed"),
        of_purchase(total(grants.credits)).label("posted"),
        of_purchase(sa.func.coalesce(sa.func.max(grants.sequence), _constant(0))).label("sequence"),
    )


class Statements:
    """The statements for one set of models and one dialect."""

    take_write_lock: sa.Update
    lock_payment: sa.Insert | None
    lock_session: Query | None
    lock_payment_and_session: Query | None
    lock_buyer: sa.Insert
    lock_purchase: Query
    lock_purchase_by_payment: Query
    read_facts: Query
    read_facts_of_session: Query
    find_session: Query
    insert_purchase: sa.Insert
    update_purchase: sa.Update
    update_purchase_of_grant: sa.Update
    update_purchase_of_grant_and_event: sa.Update | None
    find_purchase_by_key: Query
    find_recent_purchase: Query
    find_newest_times: Query
    find_superseded: Query
    find_active_package: Query
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
        self._facts(models)
        self._checkouts(models)
        self._reversals(models, insert)
        self._grants(models, insert)
        self._outbox(models)

    def _locks(self, models: Models, insert: Any) -> None:
        payments, buyers = models.table(models.Payment), models.table(models.Buyer)
        self.take_write_lock = (
            sa.update(payments).values(stripe_payment_intent_id="").where(sa.false())
        )
        self._lock_session(models, insert)
        buyer = insert(buyers)
        self.lock_buyer = buyer.on_conflict_do_update(
            index_elements=[buyers.c.user_id], set_={"user_id": buyer.excluded.user_id}
        )

    def _lock_session(self, models: Models, insert: Any) -> None:
        """None on SQLite, where whoever writes is alone from the beginning."""
        self.lock_payment = self.lock_session = self.lock_payment_and_session = None
        if insert is sqlite.insert:
            return
        purchases, payments = models.table(models.Purchase), models.table(models.Payment)
        key = payments.c.stripe_payment_intent_id
        payment = insert(payments).values({key: sa.bindparam("payment_intent_id")})
        # DO UPDATE locks a row that is already there; DO NOTHING would not.
        self.lock_payment = payment.on_conflict_do_update(
            index_elements=[key], set_={key: payment.excluded.stripe_payment_intent_id}
        )
        self.lock_session = (
            sa.select(purchases.c.id)
            .where(purchases.c.stripe_checkout_session_id == sa.bindparam("session_id"))
            .with_for_update(of=purchases)
        )
        # A row is locked after it was joined: the payment first. It is found by what was committed
        # before, and locked as it is by then: right by a key that is there before the payment is.
        locked = self.lock_payment.returning(key).cte("payment")
        self.lock_payment_and_session = self.lock_session.join(locked, sa.true())

    def _purchases(self, models: Models) -> None:
        purchases = models.table(models.Purchase)
        c, bind = purchases.c, sa.bindparam
        self.lock_purchase = (
            sa.select(purchases).where(c.id == bind("purchase_id")).with_for_update()
        )
        self.lock_purchase_by_payment = (
            sa.select(c.id, c.currency, c.package_code)
            .where(c.stripe_payment_intent_id == bind("payment_intent_id"))
            .with_for_update()
        )
        self.find_session = sa.select(c.id).where(
            c.stripe_checkout_session_id == bind("session_id")
        )
        self.insert_purchase = sa.insert(purchases)
        self.update_purchase = sa.update(purchases).where(c.id == bind("purchase_key"))
        self.update_purchase_of_grant = self.update_purchase.where(_grant_is_there(models))

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
                c.livemode == bind("livemode"),
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
        purchases, bind = models.table(models.Purchase), sa.bindparam
        c, of_session = purchases.c, purchases.c.stripe_checkout_session_id == bind("session_id")
        known = known_of_purchase(models)
        decisive = [column for column in c if column.name not in _DECIDE_NOTHING]
        # Later statements than the locks: under READ COMMITTED they see what those waited for.
        self.read_facts = sa.select(purchases, *known).where(c.id == bind("purchase_id"))
        self.read_facts_of_session = sa.select(*decisive, *known).where(of_session)

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
            events.c.verdict.in_((sa.bindparam("verdict"), _constant("dismissed"))),
        )
        # Named apart from the columns of a purchase, which one statement writes beside them.
        told: dict[Any, sa.ColumnElement[Any]] = {
            c: sa.bindparam(f"event_{c.name}", type_=c.type) for c in events.c
        }
        told[events.c.attempts] = _constant(1)
        self.upsert_event = _upserted(insert(events).values(told), events)
        self.update_purchase_of_grant_and_event = None
        if insert is postgresql.insert:
            known = sa.select(*told.values()).where(_grant_is_there(models))
            noted = _upserted(insert(events).from_select(list(told), known), events)
            self.update_purchase_of_grant_and_event = self.update_purchase_of_grant.add_cte(
                noted.cte("event")
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
        decided = sa.and_(~undecided(p), ~dismissed(p, bind("dismissed")))
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
                sa.func.count().filter(undecided(p)).label("in_review"),
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
