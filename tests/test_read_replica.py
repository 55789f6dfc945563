"""A host that sends reads to a replica: what decides about money reads where it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy.session import Session as FlaskSession

from flask_stripe_credits import GrantSnapshot
from flask_stripe_credits.sandbox import Sandbox

from .hosts import PREFIX, Host, make_host
from .payloads import event, refund

NewReplicated = Callable[..., tuple[Host, sa.Engine]]
WRITES = (sa.Insert, sa.Update, sa.Delete)


@pytest.fixture(params=["sqlite", "postgresql"])
def replicated(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> Iterator[NewReplicated]:
    """A function that makes a host whose session reads from a replica that lags for ever."""

    def create(**options: Any) -> tuple[Host, sa.Engine]:
        replica = sa.create_engine(new_database(request.param))

        class RoutingSession(FlaskSession):
            def get_bind(
                self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
            ) -> sa.Engine | sa.Connection:
                if self._flushing or isinstance(clause, WRITES):  # type: ignore[attr-defined]
                    return super().get_bind(mapper, clause, bind, **kwargs)
                return replica

        host = make_host(
            new_database(request.param), session_options={"class_": RoutingSession}, **options
        )
        host.db.metadata.create_all(replica)
        return host, replica

    yield create


def rows_in(engine: sa.Engine, host: Host) -> int:
    with engine.connect() as connection:
        return sum(
            connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for table in host.db.metadata.sorted_tables
        )


def test_C12_payments_and_refunds_are_found_though_the_replica_lags(
    replicated: NewReplicated,
) -> None:
    host, replica = replicated()
    purchase = host.add_purchase()
    assert host.pay(purchase).json == {"received": True, "verdict": "handled"}
    payment = host.purchase(purchase["id"])["stripe_payment_intent_id"]
    answer = host.post_event(event("refund.created", refund(payment, 400)))
    assert answer.json == {"received": True, "verdict": "handled"}
    assert host.pay(purchase).json == {"received": True, "verdict": "handled"}
    assert host.ledger() == [1000, -400]
    assert rows_in(replica, host) == 0


def test_C12_receivers_read_what_they_wrote_before(replicated: NewReplicated) -> None:
    seen: list[int] = []

    def book(grant: GrantSnapshot, session: Any) -> None:
        entries = host.LedgerEntry
        total = sa.select(sa.func.sum(entries.credits)).where(entries.user_id == grant.user_id)
        seen.append(int(session.scalar(total) or 0))
        assert session.get(entries, grant.id) is None
        session.add(entries(id=grant.id, user_id=grant.user_id, credits=grant.credits))
        session.flush()
        assert session.get(entries, grant.id, populate_existing=True) is not None

    host, replica = replicated(receiver=book)
    for _ in range(2):
        assert host.pay(host.add_purchase()).status_code == 200
    assert (seen, host.ledger()) == ([0, 1000], [1000, 1000])
    assert rows_in(replica, host) == 0


def test_C12_a_purchase_is_there_right_after_it_was_opened(
    replicated: NewReplicated, stripe: Sandbox, quick_retries: None
) -> None:
    host, replica = replicated(STRIPE_CREDITS_API_BASE=stripe.url)
    with host.app.app_context():
        # The catalogue has reached the replica; what is sold now hasn't.
        host.load_packages()
        table = host.credits.Package.__table__
        with host.db.engine.connect() as source, replica.begin() as copy:
            copy.execute(
                sa.insert(table), [dict(row) for row in source.execute(sa.select(table)).mappings()]
            )
    answers = [
        host.client.post(
            f"{PREFIX}/purchase",
            json={"package_code": "starter"},
            headers={"Idempotency-Key": "order-1"},
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert len(host.purchases()) == 1
    purchase_id = (answers[0].json or {})["purchase_id"]
    stripe.pay((answers[0].json or {})["session_id"])
    shown = host.client.get(f"{PREFIX}/purchases/{purchase_id}")
    assert (shown.json or {})["status"] == "completed"
    assert host.ledger() == [1000]
