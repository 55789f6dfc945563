from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy

from flask_stripe_credits.host_migrations import VERSION_TABLE
from flask_stripe_credits.models import TABLE_NAMES

from .conftest import APPLIED, Host, MakeHost

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, dt.UTC)


def new_package(host: Host) -> sa.Insert:
    return sa.insert(host.credits.Package).values(
        package_code="starter",
        package_name="Starter Pack",
        credits=1000,
        unit_amount=1000,
        currency="usd",
        created_at=NOW,
        updated_at=NOW,
    )


def test_upgrade_from_nothing_makes_every_table_and_says_so(host: Host) -> None:
    assert host.succeed("upgrade") == APPLIED
    assert host.table_names() == TABLE_NAMES | {VERSION_TABLE}
    assert host.succeed("current") == "0002 (the newest is 0002)\n"
    assert "as they should be, at 0002" in host.succeed("check")


def test_second_upgrade_does_nothing_and_keeps_rows(host: Host) -> None:
    host.succeed("upgrade")
    host.execute(new_package(host))
    assert (
        host.succeed("upgrade") == "Nothing to do: the credit tables are at that revision already\n"
    )
    with host.app.app_context():
        assert host.db.session.scalars(sa.select(host.credits.Package.credits)).all() == [1000]


def test_C23_up_with_data_down_and_up_again(host: Host) -> None:
    host.succeed("upgrade")
    host.execute(
        new_package(host),
        sa.insert(host.credits.Payment).values(stripe_payment_intent_id="pi_1"),
    )
    refusal = host.fail("downgrade base")
    assert "credit_packages (1 row), credit_payments (1 row): repeat with --yes" in refusal
    assert host.our_tables() == TABLE_NAMES

    output = host.succeed("downgrade base --yes")
    assert "Undid 0001" in output
    assert all(name in output for name in TABLE_NAMES)
    assert host.table_names() == set()

    host.succeed("upgrade", "check")
    with host.app.app_context():
        assert host.db.session.scalars(sa.select(host.credits.Package)).all() == []


def test_empty_tables_are_dropped_without_asking(host: Host) -> None:
    host.succeed("upgrade", "downgrade base", "upgrade", "downgrade -2")
    assert host.table_names() == set()
    assert "nothing to downgrade" in host.fail("downgrade")


def test_downgrade_leaves_the_hosts_tables_alone(host: Host) -> None:
    host.succeed("upgrade")
    host.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    host.succeed("downgrade base --yes")
    assert host.table_names() == {"notes"}


def test_downgrade_refuses_while_a_host_table_refers_to_ours(host: Host) -> None:
    host.succeed("upgrade")
    host.execute("CREATE TABLE notes (purchase_id UUID REFERENCES credit_purchases (id))")
    assert "your table notes has a foreign key to credit_purchases" in host.fail(
        "downgrade base --yes"
    )
    assert host.our_tables() == TABLE_NAMES


def test_create_all_first_is_told_to_stamp(host: Host) -> None:
    host.create_all()
    assert "flask credits db stamp" in host.fail("upgrade")
    assert "flask credits db stamp" in host.fail("check")
    assert host.table_names() == TABLE_NAMES
    assert host.succeed("stamp") == "The credit tables are marked as being at 0002\n"
    host.succeed("check", "upgrade")


def test_stamp_refuses_when_there_are_no_tables(host: Host) -> None:
    assert "flask credits db upgrade" in host.fail("stamp")
    assert host.table_names() == set()


def test_stamp_refuses_tables_that_are_not_those_of_the_revision(host: Host) -> None:
    host.create_all()
    host.execute("ALTER TABLE credit_grants DROP COLUMN last_error")
    assert "column credit_grants.last_error is missing" in host.fail("stamp")
    assert host.succeed("current").startswith("none ")


def test_check_before_any_upgrade_says_to_upgrade(host: Host) -> None:
    assert "flask credits db upgrade" in host.fail("check")
    assert host.table_names() == set()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("ALTER TABLE credit_grants DROP COLUMN cause", "column credit_grants.cause is missing"),
        (
            "ALTER TABLE credit_grants ADD COLUMN extra INTEGER",
            "column credit_grants.extra isn't in the models",
        ),
        ("DROP INDEX ix_credit_grants_undelivered", "ix_credit_grants_undelivered"),
        ("DROP INDEX ix_credit_purchases_buyers", "ix_credit_purchases_buyers"),
        ("DROP TABLE credit_audit_log", "table credit_audit_log is missing"),
    ],
)
def test_check_names_what_differs(host: Host, change: str, complaint: str) -> None:
    host.succeed("upgrade")
    host.execute(change)
    result = host.credits_db("check")
    assert result.exit_code == 1
    assert complaint in result.output


def test_check_notices_a_lost_constraint(make_host: MakeHost, postgres_database_url: str) -> None:
    host = make_host(postgres_database_url)
    host.succeed("upgrade")
    host.execute("ALTER TABLE credit_packages DROP CONSTRAINT ck_credit_packages_credits")
    assert "check constraint ck_credit_packages_credits" in host.fail("check")


def test_check_looks_at_our_tables_only(host: Host) -> None:
    host.succeed("upgrade")
    host.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    sa.Table("invoices", host.db.metadata, sa.Column("id", sa.Integer, primary_key=True))
    host.succeed("check")


def test_a_table_of_the_hosts_with_our_name_stops_the_upgrade(host: Host) -> None:
    host.execute("CREATE TABLE credit_purchases (id INTEGER PRIMARY KEY, note TEXT)")
    refusal = host.fail("upgrade")
    assert "already has credit_purchases" in refusal
    assert "rename or drop" in refusal
    assert host.table_names() == {"credit_purchases"}


def test_a_model_of_the_hosts_with_our_name_is_refused_at_once(make_host: MakeHost) -> None:
    from flask_stripe_credits import StripeCredits
    from flask_stripe_credits.errors import ConfigurationError

    db = SQLAlchemy()
    sa.Table("credit_grants", db.metadata, sa.Column("id", sa.Integer, primary_key=True))
    with pytest.raises(ConfigurationError, match="credit_grants"):
        StripeCredits(db=db)


@pytest.mark.parametrize("command", ["upgrade nope", "downgrade nope", "stamp nope"])
def test_unknown_revision_is_one_readable_line(host: Host, command: str) -> None:
    host.succeed("upgrade")
    assert "nope" in host.fail(command)
    host.succeed("check")


def test_more_steps_down_than_there_are_is_refused(host: Host) -> None:
    host.succeed("upgrade")
    assert "-3" in host.fail("downgrade -3")
    assert host.our_tables() == TABLE_NAMES


@pytest.mark.parametrize("command", ["upgrade", "downgrade", "check"])
def test_a_database_newer_than_the_release_says_so(host: Host, command: str) -> None:
    host.succeed("upgrade")
    host.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    assert "at revision 9999, which this release" in host.fail(command)


def test_an_interrupted_upgrade_leaves_nothing(host: Host) -> None:
    """The last table can't be made: neither are the others, nor is a revision written down."""
    kind = "INDEX" if host.app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite") else "VIEW"
    statements = {
        "INDEX": [
            "CREATE TABLE other (id INTEGER)",
            "CREATE INDEX ix_credit_audit_log_created_at ON other (id)",
        ],
        "VIEW": ["CREATE VIEW credit_audit_log AS SELECT 1 AS id"],
    }[kind]
    host.execute(*statements)
    before = host.table_names()
    assert "the database refused" in host.fail("upgrade")
    assert host.our_tables() == set()
    assert host.table_names() - {VERSION_TABLE} == before
    assert host.succeed("current").startswith("none ")


def test_a_database_that_is_not_there_is_one_readable_line(
    make_host: MakeHost, tmp_path_factory: pytest.TempPathFactory
) -> None:
    missing = tmp_path_factory.mktemp("away") / "nowhere"
    for url in (
        f"sqlite:///{missing / 'host.sqlite'}",
        f"postgresql+psycopg://nobody@/nowhere?host={missing}",
    ):
        host = make_host(url)
        for command in ("upgrade", "downgrade", "current", "check", "stamp"):
            assert "the database refused: " in host.fail(command)


def test_ids_survive_as_the_models_write_them(host: Host) -> None:
    """What the migration made takes and gives back what the models promise."""
    host.succeed("upgrade")
    package_id = uuid.uuid4()
    host.execute(new_package(host).values(id=package_id, credits=2**53))
    with host.app.app_context():
        package = host.db.session.get_one(host.credits.Package, package_id)
        assert (package.credits, package.created_at) == (2**53, NOW)


def test_rows_of_the_audit_log_number_themselves(host: Host) -> None:
    host.succeed("upgrade")
    log: Any = host.credits.AuditLog
    with host.app.app_context():
        entries = [log(created_at=NOW, actor="cli", action=action) for action in ("a", "b")]
        host.db.session.add_all(entries)
        host.db.session.commit()
        assert sorted(entry.id for entry in entries) == [1, 2]
