from __future__ import annotations

import datetime as dt
import uuid

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_stripe_credits.history import posted_of, purchase_of, purchases_of
from flask_stripe_credits.reading import reading

from .hosts import Host, make_host

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def test_nothing_stays_open_after_reading(host: Host) -> None:
    purchase = host.add_purchase()
    with host.app.app_context():
        with reading(host.state) as connection:
            row = purchase_of(connection, host.state.models, "alice", purchase["id"])
            assert row is not None and row["id"] == purchase["id"]
            assert purchase_of(connection, host.state.models, "bob", purchase["id"]) is None
        assert host.db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert not host.db.session().in_transaction()


def test_inside_a_hosts_own_transaction_its_connection_is_read(host: Host) -> None:
    """As test suites do it that undo everything at the end."""
    purchase = host.add_purchase()
    with host.app.app_context():
        engine = host.db.engine
        with engine.connect() as connection:
            outer = connection.begin()
            host.db.engines[None] = connection  # type: ignore[assignment]
            for _ in range(2):
                with reading(host.state) as used:
                    assert used is connection
                    row = purchase_of(used, host.state.models, "alice", purchase["id"])
                    assert row is not None
            assert outer.is_active
            host.db.engines[None] = engine


def test_a_purchase_is_delivered_once_all_its_grants_are(host: Host) -> None:
    purchase = host.add_purchase()
    models = host.state.models
    with host.app.app_context(), reading(host.state) as connection:
        assert posted_of(connection, models, purchase["id"]).is_delivered is False
    host.pay(purchase)
    with host.app.app_context(), reading(host.state) as connection:
        assert posted_of(connection, models, purchase["id"]).is_delivered is True
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(models.table(models.Grant)).values(delivered_at=None))
    with host.app.app_context(), reading(host.state) as connection:
        assert posted_of(connection, models, purchase["id"]).is_delivered is False


# Minutes at which purchases were made, whose they are, their ids, and the size of a page.
WORLDS = st.tuples(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["alice", "Alice", "bob"]), st.uuids()),
        max_size=12,
        unique_by=lambda made: made[2],
    ),
    st.integers(1, 5),
)


def test_F04_every_walk_over_the_pages_sees_each_own_purchase_once(database_url: str) -> None:
    host = make_host(database_url)
    table = host.credits.Purchase.__table__
    template = host.add_purchase()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(WORLDS)
    def walk(world: tuple[list[tuple[int, str, uuid.UUID]], int]) -> None:
        made, limit = world
        rows = [
            template
            | {
                "id": key,
                "user_id": user,
                "created_at": START + dt.timedelta(minutes=minute),
                "stripe_checkout_session_id": None,
            }
            for minute, user, key in made
        ]
        with host.app.app_context(), host.db.engine.begin() as connection:
            connection.execute(sa.delete(table))
            if rows:
                connection.execute(sa.insert(table), rows)
        for user in ("alice", "Alice", "bob"):
            own = [row for row in rows if row["user_id"] == user]
            own.sort(key=lambda row: (-row["created_at"].timestamp(), row["id"]))
            seen: list[uuid.UUID] = []
            with host.app.app_context():
                while True:
                    page, more = purchases_of(
                        host.db.session(),
                        host.state.models,
                        user,
                        limit=limit,
                        after=seen[-1] if seen else None,
                    )
                    seen += [row["id"] for row in page]
                    assert len(page) == limit or not more
                    if not more:
                        break
            assert seen == [row["id"] for row in own]

    walk()
