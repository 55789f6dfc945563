"""The statements with one lock taken out: what the tests of races must be able to see."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from flask_stripe_credits.statements import Statements

from ..hosts import Host
from .meetings import engine_of

Mutant = Callable[[Host, Statements], None]

_NOTHING = sa.select(sa.literal(1))


def no_payment_lock(host: Host, sql: Statements) -> None:
    sql.lock_payment, sql.lock_payment_and_session = None, sql.lock_session


def payment_do_nothing(host: Host, sql: Statements) -> None:
    """ON CONFLICT DO NOTHING: a row that is there already isn't locked."""
    payments = host.credits.Payment.__table__
    sql.lock_payment = (
        postgresql.insert(payments)
        .values(stripe_payment_intent_id=sa.bindparam("payment_intent_id"))
        .on_conflict_do_nothing()
    )
    assert sql.lock_session is not None
    locked = sql.lock_payment.returning(sa.literal(1)).cte("payment")
    # It returns no row where there is one already.
    sql.lock_payment_and_session = sql.lock_session.outerjoin(locked, sa.true())


def purchase_found_before_the_payment_is_locked(host: Host, sql: Statements) -> None:
    """One statement for both locks where a reversal comes in, as a session has it."""
    c = host.credits.Purchase.__table__.c
    payment = sql.lock_payment
    assert payment is not None
    locked = payment.returning(sa.literal(1)).cte("payment")
    sql.lock_purchase_by_payment = (
        sa.select(c.id, c.currency)
        .join(locked, sa.true())
        .where(c.stripe_payment_intent_id == sa.bindparam("payment_intent_id"))
        .with_for_update(of=c.id.table)
    )
    sql.lock_payment = None


def no_purchase_lock(host: Host, sql: Statements) -> None:
    """Every SELECT without its FOR UPDATE."""
    for name, statement in vars(sql).items():
        if isinstance(statement, sa.Select) and statement._for_update_arg is not None:
            unlocked = statement._generate()
            unlocked._for_update_arg = None
            setattr(sql, name, unlocked)


def no_buyer_lock(host: Host, sql: Statements) -> None:
    sql.lock_buyer = _NOTHING


def no_write_lock(host: Host, sql: Statements) -> None:
    sql.take_write_lock = _NOTHING


def mutate(host: Host, mutant: Mutant) -> None:
    """Have this host run without the lock."""
    mutant(host, host.state.statements(engine_of(host).dialect.name))
