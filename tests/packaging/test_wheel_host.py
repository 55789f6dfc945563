"""A host with its own history and data, on nothing but the wheel."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_stripe_credits.host_migrations import VERSION_TABLE
from flask_stripe_credits.models import TABLE_NAMES
from tests.migrations.flask_process import HOST_APP, FlaskProcess
from tests.migrations.upgraders import upgrade_at_once, upgraders

pytestmark = pytest.mark.packaging

MakeFlask = Callable[..., FlaskProcess]


@pytest.fixture
def make_flask(tmp_path: Path, wheel_venv: Path) -> MakeFlask:
    app = tmp_path / "host_app.py"
    shutil.copy(HOST_APP, app)

    def make(url: str, **environment: str) -> FlaskProcess:
        names = {f"HOST_{name.upper()}": value for name, value in environment.items()}
        return FlaskProcess(tmp_path, {"HOST_DATABASE": url, **names}, str(wheel_venv), app)

    return make


def table_names(url: str) -> set[str]:
    return set(sa.inspect(sa.create_engine(url)).get_table_names())


def test_a_host_with_history_and_data_takes_us_in_and_lets_us_go(
    database_url: str, make_flask: MakeFlask
) -> None:
    flask = make_flask(database_url, include_object="argument")
    flask.succeed("db init")
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (id INTEGER)"))
        connection.execute(sa.text("INSERT INTO kept VALUES (7)"))

    flask.succeed("credits db upgrade", "db migrate", "db upgrade", "db check", "credits db check")
    assert len(flask.revisions) == 1
    flask.succeed("db migrate")
    assert len(flask.revisions) == 1
    ours = TABLE_NAMES | {VERSION_TABLE}
    assert table_names(database_url) == ours | {"note", "alembic_version", "kept"}

    assert flask.run("credits", "db", "downgrade", "base") == 1
    assert "your table note has a foreign key" in flask.output
    flask.succeed("db downgrade", "credits db downgrade base")
    assert table_names(database_url) == {"alembic_version", "kept"}
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT id FROM kept")) == 7


def test_create_all_first_then_stamp(database_url: str, make_flask: MakeFlask) -> None:
    flask = make_flask(database_url)
    create_all = "from host_app import *; create_app().app_context().push(); db.create_all(None)"
    assert flask.run_python("-c", create_all) == 0, flask.output
    assert flask.run("credits", "db", "upgrade") == 1
    assert "flask credits db stamp" in flask.output
    assert "Traceback" not in flask.output
    flask.succeed("credits db stamp", "credits db check", "credits db upgrade")


def test_a_schema_and_a_naming_convention(
    postgres_database_url: str, make_flask: MakeFlask
) -> None:
    with sa.create_engine(postgres_database_url).begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA billing"))
    flask = make_flask(postgres_database_url, schema="billing", naming="1")
    flask.succeed("db init", "credits db upgrade", "db migrate", "db upgrade", "db check")
    flask.succeed("credits db check")
    assert table_names(postgres_database_url) <= {"alembic_version"}


def test_four_processes_upgrading_at_once_all_succeed(
    new_database: Callable[[str], str], wheel_venv: Path
) -> None:
    with upgraders(4, wheel_venv) as processes:
        for kind in ("sqlite", "postgresql"):
            upgrade_at_once(processes, new_database(kind))
