"""Revision 0002 on tables in use: rows keep what they say, nobody waits, and it resumes."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from .conftest import Host, MakeHost
from .test_tables import inspected

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def purchase(code: str) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "user_id": "alice",
        "package_code": code,
        "package_name": code,
        "amount_credits": 1000,
        "unit_amount": 1000,
        "currency": "usd",
        "checkout_params": {},
        "checkout_attempt": 1,
        "request_hash": "0" * 64,
        "livemode": False,
        "status": "completed",
        "amount_refunded": 0,
        "credits_revoked": 0,
        "created_at": NOW,
        "updated_at": NOW,
    }


def sell(host: Host, *codes: str) -> None:
    """Write purchases with two grants each, as a release before the revision did."""
    purchases = [purchase(code) for code in codes]
    host.execute(sa.insert(host.credits.Purchase.__table__).values(purchases))
    before = [c for c in host.credits.Grant.__table__.columns if c.name != "package_code"]
    grants = sa.table("credit_grants", *(sa.column(c.name, c.type) for c in before))
    for row in purchases:
        for sequence, credits in ((1, 1000), (2, -1000)):
            host.execute(
                sa.insert(grants).values(
                    id=uuid.uuid4(),
                    purchase_id=row["id"],
                    sequence=sequence,
                    user_id="alice",
                    credits=credits,
                    reason="purchase",
                    cause="evt_1",
                    created_at=NOW,
                    attempts=1,
                )
            )


def codes_of_grants(host: Host) -> list[tuple[str | None, str]]:
    grants, purchases = host.credits.Grant, host.credits.Purchase
    query = sa.select(grants.package_code, purchases.package_code).join(
        purchases, purchases.id == grants.purchase_id
    )
    with host.app.app_context(), host.db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_C23_up_and_down_with_rows(host: Host) -> None:
    host.succeed("upgrade 0001")
    at_first = inspected(host)
    sell(host, *(f"package-{number}" for number in range(7)))
    host.succeed("upgrade", "check")
    found = codes_of_grants(host)
    assert len(found) == 14
    assert all(of_grant == of_purchase for of_grant, of_purchase in found)
    assert "Undid 0002" in host.succeed("downgrade")
    assert inspected(host) == at_first
    host.succeed("upgrade", "check")
    assert codes_of_grants(host) == found


@pytest.fixture
def in_use(make_host: MakeHost, postgres_database_url: str) -> Host:
    host = make_host(postgres_database_url)
    host.succeed("upgrade 0001")
    sell(host, "starter", "pro", "pro")
    return host


def test_more_rows_than_are_copied_at_a_time(in_use: Host) -> None:
    in_use.execute(
        "INSERT INTO credit_grants (id, purchase_id, sequence, user_id, credits, reason, cause, "
        "created_at, attempts) SELECT gen_random_uuid(), (SELECT min(id::text)::uuid FROM "
        "credit_purchases), n, 'alice', 1, 'purchase', 'evt', now(), 1 "
        "FROM generate_series(3, 12000) n"
    )
    in_use.succeed("upgrade", "check")
    found = codes_of_grants(in_use)
    assert len(found) == 12_004
    assert all(of_grant == of_purchase for of_grant, of_purchase in found)


def test_what_a_killed_upgrade_left_behind_is_made_anew(in_use: Host) -> None:
    # A build that was cut off leaves an index that is marked as not valid.
    in_use.execute(
        "ALTER TABLE credit_grants ADD COLUMN package_code VARCHAR(50)",
        "UPDATE credit_grants SET package_code = 'pro' WHERE purchase_id = "
        "(SELECT id FROM credit_purchases WHERE package_code = 'pro' LIMIT 1)",
        "CREATE INDEX ix_credit_purchases_sales ON credit_purchases (package_code)",
        "UPDATE pg_index SET indisvalid = false "
        "WHERE indexrelid = 'ix_credit_purchases_sales'::regclass",
        "CREATE INDEX ix_credit_purchases_of_user ON credit_purchases (user_id)",
        "DROP INDEX ix_credit_purchases_user_id_created_at",
    )
    in_use.succeed("upgrade", "check")
    assert all(of_grant == of_purchase for of_grant, of_purchase in codes_of_grants(in_use))
    valid = sa.text("SELECT bool_and(indisvalid) FROM pg_index")
    with in_use.app.app_context(), in_use.db.engine.connect() as connection:
        assert connection.scalar(valid) is True


def test_buyers_dont_wait_for_an_index_that_waits_itself(in_use: Host) -> None:
    """An open transaction holds the build up; whoever comes behind it is served all the same."""
    answers: list[str] = []
    upgrade = threading.Thread(target=lambda: answers.append(in_use.succeed("upgrade")))
    insert = sa.insert(in_use.credits.Purchase.__table__)
    with in_use.app.app_context():
        engine = in_use.db.engine
    with engine.connect() as slow, engine.connect() as other:
        slow.execute(insert.values(purchase("slow")))
        upgrade.start()
        building = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
        )
        while not other.scalar(building):
            other.rollback()
            assert upgrade.is_alive(), answers
        other.execute(sa.text("SET LOCAL lock_timeout = '5s'"))
        other.execute(insert.values(purchase("quick")))
        other.commit()
        assert answers == []
        slow.commit()
        upgrade.join()
    assert "Applied 0002" in answers[0]
    in_use.succeed("check")


def test_an_upgrade_that_cant_have_the_table_gives_up_and_can_be_run_again(in_use: Host) -> None:
    with in_use.app.app_context():
        engine = in_use.db.engine
    with engine.connect() as slow:
        slow.execute(sa.text("SELECT count(*) FROM credit_grants"))
        assert "the database refused" in in_use.fail("upgrade")
        assert in_use.succeed("current").startswith("0001 ")
        slow.rollback()
    in_use.succeed("upgrade", "check")
