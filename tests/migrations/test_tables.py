"""The revisions make exactly the tables of the models, in whatever host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.host_migrations import VERSION_TABLE
from flask_stripe_credits.models import TABLE_NAMES

from .conftest import Host, MakeHost

NAMING = {
    "ix": "host_ix_%(column_0_label)s",
    "uq": "host_uq_%(table_name)s_%(column_0_name)s",
    "ck": "host_ck_%(table_name)s_%(constraint_name)s",
    "fk": "host_fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "host_pk_%(table_name)s",
}


def inspected(host: Host) -> dict[str, Any]:
    """All that the database tells of our tables, without the name of their schema."""
    with host.app.app_context():
        inspector = sa.inspect(host.db.engine)
        schema = host.db.metadata.schema
        return {name: inspected_table(inspector, name, schema) for name in TABLE_NAMES}


def inspected_table(inspector: sa.Inspector, name: str, schema: str | None) -> dict[str, Any]:
    def by_name(found: list[Any]) -> list[Any]:
        return sorted(found, key=lambda item: str(item["name"]))

    return {
        "columns": [
            {**column, "type": str(column["type"]), "default": without(schema, column["default"])}
            for column in inspector.get_columns(name, schema)
        ],
        "primary key": inspector.get_pk_constraint(name, schema),
        "unique": by_name(inspector.get_unique_constraints(name, schema)),
        "checks": by_name(inspector.get_check_constraints(name, schema)),
        "indexes": [
            {key: str(value) for key, value in index.items()} | {"dialect_options": options(index)}
            for index in by_name(inspector.get_indexes(name, schema))
        ],
        "foreign keys": [
            {**key, "referred_schema": None}
            for key in by_name(inspector.get_foreign_keys(name, schema))
        ],
    }


def options(index: Any) -> dict[str, str]:
    return {name: str(value) for name, value in index.get("dialect_options", {}).items()}


def without(schema: str | None, default: str | None) -> str | None:
    return default.replace(f"{schema}.", "") if default and schema else default


def sqlite_sources(host: Host) -> set[str]:
    """The statements that made the indexes, as SQLite keeps them."""
    with host.app.app_context(), host.db.engine.connect() as connection:
        query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        return set(connection.scalars(query))


@pytest.fixture(params=["sqlite", "postgresql"])
def two_urls(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> tuple[str, str]:
    return new_database(request.param), new_database(request.param)


def test_C23_upgrade_and_create_all_make_the_same_tables(
    two_urls: tuple[str, str], make_host: MakeHost
) -> None:
    upgraded, created = map(make_host, two_urls)
    upgraded.succeed("upgrade")
    created.create_all()
    assert inspected(upgraded) == inspected(created)
    if two_urls[0].startswith("sqlite"):
        assert sqlite_sources(upgraded) == sqlite_sources(created)


def test_a_naming_convention_of_the_hosts_changes_no_name(
    two_urls: tuple[str, str], make_host: MakeHost
) -> None:
    plain = make_host(two_urls[0])
    plain.succeed("upgrade")
    named = make_host(two_urls[1], sa.MetaData(naming_convention=NAMING))
    named.succeed("upgrade", "check")
    assert inspected(named) == inspected(plain)
    named.succeed("downgrade base")
    named.create_all()
    assert inspected(named) == inspected(plain)
    named.succeed("stamp", "check")


@pytest.fixture
def host_with_schema(make_host: MakeHost, postgres_database_url: str) -> Host:
    return make_host(postgres_database_url, sa.MetaData(schema="billing"))


def test_tables_and_revision_go_to_the_schema_of_the_hosts_metadata(
    host_with_schema: Host, make_host: MakeHost, new_postgres_database: Callable[[], str]
) -> None:
    host = host_with_schema
    host.execute("CREATE SCHEMA billing", "CREATE TABLE credit_grants (id INTEGER)")
    host.succeed("upgrade", "check")
    assert host.table_names() == TABLE_NAMES | {VERSION_TABLE}
    with host.app.app_context():
        assert sa.inspect(host.db.engine).get_table_names() == ["credit_grants"]

    plain = make_host(new_postgres_database())
    plain.succeed("upgrade")
    assert inspected(host) == inspected(plain)

    host.execute("DROP INDEX billing.ix_credit_grants_undelivered")
    assert "ix_credit_grants_undelivered" in host.fail("check")
    host.succeed("downgrade base")
    assert host.table_names() == set()


def test_create_all_in_a_schema_then_stamp(host_with_schema: Host) -> None:
    host_with_schema.execute("CREATE SCHEMA billing")
    host_with_schema.create_all()
    assert "flask credits db stamp" in host_with_schema.fail("upgrade")
    host_with_schema.succeed("stamp", "check")


def test_a_missing_schema_is_named(host_with_schema: Host) -> None:
    assert "the schema 'billing'" in host_with_schema.fail("upgrade")
    assert "flask credits db upgrade" in host_with_schema.fail("check")


def test_the_default_schema_may_be_named(make_host: MakeHost, postgres_database_url: str) -> None:
    host = make_host(postgres_database_url, sa.MetaData(schema="public"))
    host.succeed("upgrade", "check", "downgrade base")
    host.create_all()
    host.succeed("stamp", "check")


def test_a_schema_may_be_translated_away(make_host: MakeHost, database_url: str) -> None:
    options = {"execution_options": {"schema_translate_map": {"billing": None}}}
    host = make_host(database_url, sa.MetaData(schema="billing"), options)
    host.succeed("upgrade", "check")
    with host.app.app_context():
        found = sa.inspect(host.db.engine).get_table_names()
        assert set(found) == TABLE_NAMES | {VERSION_TABLE}
        assert host.db.session.scalars(sa.select(host.credits.Package)).all() == []
        host.db.session.rollback()
    host.succeed("downgrade base")


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
def test_isolation_level_of_the_hosts_engine_does_not_matter(
    make_host: MakeHost, database_url: str, level: str
) -> None:
    host = make_host(database_url, engine_options={"isolation_level": level})
    host.execute("CREATE TABLE other (id INTEGER)")
    host.execute("CREATE INDEX ix_credit_audit_log_created_at ON other (id)")
    assert "the database refused" in host.credits_db("upgrade").output
    assert host.our_tables() == set()
    host.execute("DROP TABLE other")
    host.succeed("upgrade", "check", "downgrade base", "upgrade")


def test_a_host_that_begins_sqlites_transactions_itself(
    make_host: MakeHost, new_database: Callable[[str], str]
) -> None:
    """As SQLAlchemy's documentation recommends for SAVEPOINT and for SELECT in a transaction."""
    host = make_host(new_database("sqlite"))
    with host.app.app_context():

        @sa.event.listens_for(host.db.engine, "connect")
        def connect(connection: Any, record: Any) -> None:
            connection.isolation_level = None

        @sa.event.listens_for(host.db.engine, "begin")
        def begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN")

    host.succeed("upgrade", "check", "downgrade base")
    host.create_all()
    host.succeed("stamp", "check")


def test_sqlite_keeps_the_hosts_busy_timeout(
    make_host: MakeHost, new_database: Callable[[str], str]
) -> None:
    host = make_host(new_database("sqlite"), engine_options={"connect_args": {"timeout": 7}})
    host.succeed("upgrade")
    with host.app.app_context(), host.db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 7000
