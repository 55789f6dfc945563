"""C15 to C18: credit managers that fail at random, end transactions, open sessions of their own."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from flask_stripe_credits import GrantSnapshot

from ..figures import Figures, scaled
from ..hosts import Host, make_host
from ..naive.shops import Shop, signal_then_complete
from ..parallel import in_parallel
from ..payloads import checkout_session, dispute, event, refund

Misdeed = Callable[[Host, Session], object]


def raises(host: Host, session: Session) -> None:
    raise RuntimeError("the credit manager is broken")


def commits_and_raises(host: Host, session: Session) -> None:
    host.db.session.commit()
    raises(host, session)


def rolls_back(host: Host, session: Session) -> None:
    host.db.session.rollback()


def removes(host: Host, session: Session) -> None:
    host.db.session.remove()


def swallows_an_error(host: Host, session: Session) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        session.execute(sa.text("SELECT * FROM no_such_table"))


def commits(host: Host, session: Session) -> None:
    host.db.session.commit()


def behaves(host: Host, session: Session) -> None:
    session.flush()


MISDEEDS = (raises, commits_and_raises, rolls_back, removes, swallows_an_error, commits, behaves)
LEFT = 500
MOST_DELIVERIES = 200


class Careless:
    """A credit manager that books a grant and then, at random, does something it shouldn't."""

    def __init__(self, database_url: str, seed: int = 1) -> None:
        self.chance = random.Random(seed)
        self.host = make_host(database_url, receiver=self.book)

    def book(self, grant: GrantSnapshot, session: Session) -> None:
        entry = self.host.LedgerEntry
        session.add(entry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
        self.chance.choice(MISDEEDS)(self.host, session)

    def history(self, number: int) -> list[dict[str, Any]]:
        """Bought, refunded in part, disputed and won, and one refund that failed: 500 are left."""
        session = checkout_session(self.host.add_purchase(user_id=f"user {number}"))
        payment_intent = session["payment_intent"]
        disputed, failed = dispute(payment_intent, 400), refund(payment_intent, 100)
        return [
            event("checkout.session.completed", session),
            event("refund.created", refund(payment_intent, 500)),
            event("charge.dispute.created", disputed),
            event("refund.created", failed),
            event("charge.dispute.funds_reinstated", disputed),
            event("refund.failed", failed | {"status": "failed"}),
        ]

    def deliver(self, purchases: int, threads: int = 4) -> int:
        """Deliver the histories of many purchases at once until taken; return the refusals."""
        histories = [self.history(number) for number in range(purchases)]
        shares = [histories[number::threads] for number in range(threads)]
        return sum(in_parallel([lambda mine=mine: self._run(mine) for mine in shares]))

    def _run(self, histories: list[list[dict[str, Any]]]) -> int:
        return sum(self._until_taken(document) for each in histories for document in each)

    def _until_taken(self, document: dict[str, Any]) -> int:
        for refused in range(MOST_DELIVERIES):
            answer = self.host.post_event(document)
            if answer.status_code == 200:
                return refused
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
        raise AssertionError("never taken")

    def wrong(self, purchases: int) -> list[int]:
        balances = [self.host.balance(f"user {number}") for number in range(purchases)]
        return [balance for balance in balances if balance != LEFT]


def test_C15_C17_C18_a_careless_credit_manager_gets_every_grant_once(database_url: str) -> None:
    careless = Careless(database_url)
    assert careless.deliver(8) > 0
    assert careless.wrong(8) == []
    careless.host.assert_exact()


@pytest.mark.soak
def test_C15_C17_C18_a_careless_credit_manager_and_300_histories(
    database_url: str, figures: Figures
) -> None:
    purchases = scaled(300)
    careless = Careless(database_url)
    refused = careless.deliver(purchases)
    wrong = careless.wrong(purchases)
    figures(
        sessions=purchases,
        deliveries=purchases * 6 + refused,
        lost=sum(balance < LEFT for balance in wrong),
        doubled=sum(balance > LEFT for balance in wrong),
        refused=refused,
    )
    assert wrong == []
    careless.host.assert_exact()


def test_C15_a_credit_manager_that_commits_first_doubles_when_it_is_asked_again(
    host: Host,
) -> None:
    """Without the key that a grant has, what was committed before the failure is booked again."""
    shop = Shop(host, signal_then_complete)
    document = host.paid_event(host.add_purchase())
    engine = _engine(host)
    fails = [True]

    def fail_once(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        if fails and statement.startswith("UPDATE credit_purchases"):
            fails.clear()
            raise sa.exc.OperationalError("", {}, Exception("down"))

    sa.event.listen(engine, "before_cursor_execute", fail_once)
    shop.deliver_until_taken(document)
    assert host.ledger() == [1000, 1000]


def _engine(host: Host) -> sa.Engine:
    with host.app.app_context():
        return host.db.engine


# A session of the receiver's own is outside our transaction; the grant's id is the key.


def _own_session_host(database_url: str, fails: list[bool]) -> Host:
    def book(grant: GrantSnapshot) -> None:
        with Session(_engine(host)) as own, own.begin():
            if own.get(host.LedgerEntry, grant.id) is None:
                entry = host.LedgerEntry
                own.add(entry(id=grant.id, user_id=grant.user_id, credits=grant.credits))
        if fails:
            fails.pop()
            raise RuntimeError("after its own commit")

    host = make_host(
        database_url,
        receiver=book,
        SQLALCHEMY_ENGINE_OPTIONS=(
            {"connect_args": {"timeout": 0.02}} if "sqlite" in database_url else {}
        ),
    )
    return host


def test_C22_a_receivers_own_session_is_safe_with_the_grants_id_on_PostgreSQL(
    postgres_database_url: str,
) -> None:
    host = _own_session_host(postgres_database_url, fails=[True, True])
    document = host.paid_event(host.add_purchase())
    statuses = [host.post_event(document).status_code for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    assert host.ledger() == [1000]
    assert len(host.grants()) == 1


def test_C10_a_receivers_own_session_cannot_write_to_our_SQLite_file(
    new_database: Callable[[str], str],
) -> None:
    """We hold the one write lock: 503 at every try, and nothing half done."""
    host = _own_session_host(new_database("sqlite"), fails=[])
    document = host.paid_event(host.add_purchase())
    for _ in range(2):
        answer = host.post_event(document)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert (host.ledger(), host.grants()) == ([], [])
