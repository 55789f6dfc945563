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
    id = uuid.uuid4()
    return {
        "id": id,
        "stripe_payment_intent_id": f"pi_{id.hex}",
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


def before(model: Any) -> sa.TableClause:
    """A table without the column that the revision adds."""
    table = model.__table__
    kept = [c for c in table.columns if c.name != "package_code"]
    return sa.table(table.name, *(sa.column(c.name, c.type) for c in kept))


def sell(host: Host, *codes: str) -> None:
    """Write purchases with two grants each, a refund and a dispute, as a release before did."""
    purchases = [purchase(code) for code in codes]
    host.execute(sa.insert(host.credits.Purchase.__table__).values(purchases))
    grants = before(host.credits.Grant)
    for row in purchases:
        payment = row["stripe_payment_intent_id"]
        reverse(host, host.credits.Refund, "stripe_refund_id", payment)
        reverse(host, host.credits.Dispute, "stripe_dispute_id", payment)
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


def reverse(host: Host, model: Any, key: str, payment: str) -> None:
    host.execute(
        sa.insert(before(model)).values(
            {
                key: f"x_{payment}",
                "stripe_payment_intent_id": payment,
                "amount": 500,
                "currency": "usd",
                "status": "succeeded",
                "live_rank": 20,
                "created_at": NOW,
                "updated_at": NOW,
            }
        )
    )


def codes(host: Host) -> list[tuple[str | None, str]]:
    """The package's code in each grant, refund and dispute, and in its purchase."""
    purchases, grants = host.credits.Purchase, host.credits.Grant
    payment = purchases.stripe_payment_intent_id
    joined: list[tuple[Any, Any]] = [(grants, purchases.id == grants.purchase_id)]
    for model in (host.credits.Refund, host.credits.Dispute):
        joined.append((model, payment == model.stripe_payment_intent_id))
    found: list[tuple[str | None, str]] = []
    with host.app.app_context(), host.db.engine.connect() as connection:
        for model, of_purchase in joined:
            query = sa.select(model.package_code, purchases.package_code)
            found += map(tuple, connection.execute(query.join(purchases, of_purchase)))
    return found


def test_C23_up_and_down_with_rows(host: Host) -> None:
    host.succeed("upgrade 0001")
    at_first = inspected(host)
    sell(host, *(f"package-{number}" for number in range(7)))
    host.succeed("upgrade", "check")
    reverse(host, host.credits.Refund, "stripe_refund_id", "pi_of_another_product")
    found = codes(host)
    assert len(found) == 28
    assert all(copied == of_purchase for copied, of_purchase in found)
    assert "Undid 0002" in host.succeed("downgrade")
    assert inspected(host) == at_first
    host.succeed("upgrade", "check")
    assert codes(host) == found


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
    found = codes(in_use)
    assert len(found) == 12_010
    assert all(copied == of_purchase for copied, of_purchase in found)


def test_what_a_killed_upgrade_left_behind_is_made_anew(in_use: Host) -> None:
    # A build that was cut off leaves an index that is marked as not valid.
    in_use.execute(
        "ALTER TABLE credit_grants ADD COLUMN package_code VARCHAR(50)",
        "UPDATE credit_grants SET package_code = 'pro' WHERE purchase_id = "
        "(SELECT id FROM credit_purchases WHERE package_code = 'pro' LIMIT 1)",
        "CREATE INDEX ix_credit_purchases_sales ON credit_purchases (package_code)",
        "UPDATE pg_index SET indisvalid = false "
        "WHERE indexrelid = 'ix_credit_purchases_sales'::regclass",
        "CREATE INDEX ix_credit_purchases_buyers ON credit_purchases (user_id)",
        "DROP INDEX ix_credit_purchases_status_created_at",
    )
    in_use.succeed("upgrade", "check")
    assert all(copied == of_purchase for copied, of_purchase in codes(in_use))
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
