from __future__ import annotations

import sqlalchemy as sa

from flask_stripe_credits.doctor import Level
from flask_stripe_credits.doctor.database import place_of

from ..hosts import Host, make_host
from .examined import examined, level, only

NEED_TABLES = ("packages", "last_webhook", "paid_not_granted", "undelivered", "reviews")


def with_revisions(database_url: str) -> Host:
    host = make_host(database_url, tables=False)
    result = host.app.test_cli_runner().invoke(args=["credits", "db", "upgrade"])
    assert result.exit_code == 0, result.output
    with host.app.app_context():
        host.db.create_all()
    return host


def test_all_is_well(database_url: str) -> None:
    host = with_revisions(database_url)
    found = only(host, "tables")
    assert found.level is Level.OK
    assert found.found.startswith("at revision 0")
    assert level(host, "database") is Level.OK


def test_C06_the_database_is_down() -> None:
    host = make_host("postgresql+psycopg://nobody:secret@127.0.0.1:9/shop", tables=False)
    found = examined(host)
    (line,) = found["database"]
    assert line.level is Level.ERROR
    assert line.found.startswith("postgresql at 127.0.0.1:9, shop doesn't answer: ")
    assert "secret" not in line.found
    for id in ("tables", *NEED_TABLES):
        assert [one.found for one in found[id]] == ["not checked because of database"]


def test_there_are_no_tables(database_url: str) -> None:
    host = make_host(database_url, tables=False)
    found = examined(host)
    (line,) = found["tables"]
    assert (line.level, line.command) == (Level.ERROR, "flask credits db upgrade")
    assert line.found == "the credit tables are missing"
    for id in NEED_TABLES:
        assert [one.found for one in found[id]] == ["not checked because of tables"]


def test_tables_without_a_revision(host: Host) -> None:
    found = only(host, "tables")
    assert (found.level, found.command) == (Level.ERROR, "flask credits db stamp")


def test_C23_the_tables_are_of_another_release(database_url: str) -> None:
    host = with_revisions(database_url)
    runner = host.app.test_cli_runner()
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.text("UPDATE flask_stripe_credits_version SET version_num = '0000'"))
    found = only(host, "tables")
    assert found.level is Level.ERROR
    assert "which this release of flask-stripe-credits doesn't know" in found.found
    assert runner.invoke(args=["credits", "db", "current"]).exit_code == 0


def test_somebody_changed_a_table(database_url: str) -> None:
    host = with_revisions(database_url)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.text("DROP INDEX ix_credit_purchases_status"))
    found = only(host, "tables")
    assert found.level is Level.ERROR
    assert "ix_credit_purchases_status" in found.found
    assert found.command is None


def test_a_database_is_named_without_its_password() -> None:
    url = sa.make_url("postgresql+psycopg://user:secret@db.test:5432/shop?sslpassword=secret")
    assert place_of(url) == "postgresql at db.test:5432, shop"
    assert place_of(sa.make_url("sqlite://")) == "sqlite, in memory"


def test_packages(host: Host) -> None:
    host.app.test_cli_runner().invoke(args=["credits", "db", "stamp"])
    found = only(host, "packages")
    assert (found.level, found.command) == (Level.ERROR, "flask credits packages load")
    host.load_packages()
    assert only(host, "packages").found == "for sale: starter, standard, pro, enterprise"
