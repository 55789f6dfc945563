"""No figure reads a row of the two large tables: each is one pass through an index that has it all.

With rows read one by one, a million purchases take ten times as long: see the decisions.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.purchase_search import PurchaseFilter, search_purchases
from flask_stripe_credits.reading import reading

from ..hosts import Host
from .conftest import END, AskFor

LARGE = ("credit_purchases", "credit_grants", "credit_webhook_events")


def statements(host: Host, ask: Any) -> list[tuple[str, Any]]:
    """What is sent to the database meanwhile."""
    sent: list[tuple[str, Any]] = []

    def note(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if statement.startswith("SELECT"):
            sent.append((statement, parameters))

    with host.app.app_context():
        engine = host.db.engine
        sa.event.listen(engine, "before_cursor_execute", note)
        try:
            ask()
        finally:
            sa.event.remove(engine, "before_cursor_execute", note)
    assert sent
    return sent


@pytest.mark.parametrize("package_code", [None, "starter"])
def test_sqlite_reads_covering_indexes_only(
    sqlite_host: Host, ask: AskFor, package_code: str | None
) -> None:
    sqlite_host.pay(sqlite_host.add_purchase())
    since = END - dt.timedelta(days=400)
    sent = statements(sqlite_host, lambda: ask(sqlite_host, since, None, package_code))
    plans = 0
    with sqlite_host.app.app_context(), sqlite_host.db.engine.connect() as connection:
        for statement, parameters in sent:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for line in [row[3] for row in plan]:
                # Refunds without a package, grants without one, and purchases in review are few.
                looked_up = "package_code IS NULL" in statement or "review_reason" in statement
                looked_up = looked_up or "EXISTS" in statement
                if any(f" {table} " in f"{line} " for table in LARGE) and not looked_up:
                    assert "COVERING INDEX" in line or "delivered_at IS NULL" in statement, line
                    plans += 1
                # Sorting the steps is nothing; sorting the rows would be.
                small = "credit_refunds" in statement or "credit_disputes" in statement
                assert "TEMP B-TREE FOR GROUP" not in line or small, (line, statement)
    assert plans > 5


@pytest.mark.parametrize("package_code", [None, "starter"])
def test_postgresql_reads_indexes_only(
    postgres_host: Host, ask: AskFor, package_code: str | None
) -> None:
    postgres_host.pay(postgres_host.add_purchase())
    since = END - dt.timedelta(days=400)
    sent = statements(postgres_host, lambda: ask(postgres_host, since, None, package_code))
    seen: set[str] = set()
    with postgres_host.app.app_context(), postgres_host.db.engine.connect() as connection:
        # A table of one row is read whatever there is.
        for off in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            connection.exec_driver_sql(f"SET {off} = off")
        for statement, parameters in sent:
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            lines = [row[0] for row in plan]
            seen |= {
                line.split("Index Only Scan")[1].split(" using ")[1].split()[0]
                for line in lines
                if "Index Only Scan" in line
            }
            if "count(*)" in statement and "paid_at" in statement:
                assert not any("Seq Scan" in line for line in lines), lines
    assert seen >= {
        "ix_credit_purchases_sales",
        "ix_credit_purchases_status",
        "ix_credit_purchases_buyers",
        "ix_credit_grants_package_code_created_at",
        "ix_credit_webhook_events_verdict_received_at",
    }


def test_the_newest_purchases_are_found_without_sorting_all(sqlite_host: Host) -> None:
    purchase = sqlite_host.add_purchase()

    def search() -> None:
        with reading(sqlite_host.state) as connection:
            for wanted in (PurchaseFilter(), PurchaseFilter(package_code="starter")):
                for after in (None, purchase["id"]):
                    models = sqlite_host.state.models
                    search_purchases(connection, models, wanted, limit=50, after=after)

    sent = statements(sqlite_host, search)
    assert len(sent) == 4
    with sqlite_host.app.app_context(), sqlite_host.db.engine.connect() as connection:
        for statement, parameters in sent:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            lines = " ".join(row[3] for row in plan)
            assert "ix_credit_purchases_created_at" in lines
            assert "TEMP B-TREE" not in lines
