from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click.testing
import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_stripe_credits import StripeCredits
from flask_stripe_credits.models import TABLE_NAMES

APPLIED = (
    "Applied 0001: Create the credit tables.\n"
    "Applied 0002: Let the figures of a million purchases be read from indexes.\n"
)


@dataclass
class Host:
    """A host app whose database has nothing in it yet."""

    app: Flask
    db: SQLAlchemy
    credits: StripeCredits

    def credits_db(self, command: str) -> click.testing.Result:
        """Run ``flask credits db …``."""
        return self.app.test_cli_runner().invoke(args=["credits", "db", *shlex.split(command)])

    def succeed(self, *commands: str) -> str:
        """Run commands that must succeed; return all they printed."""
        output = ""
        for command in commands:
            result = self.credits_db(command)
            assert result.exit_code == 0, result.output
            output += result.output
        return output

    def fail(self, command: str) -> str:
        """Run a command that must fail in the way an operator can read; return what it printed."""
        result = self.credits_db(command)
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
        assert result.output.startswith("Error: ")
        assert result.output.count("\n") == 1
        return result.output

    def execute(self, *statements: str | sa.Executable) -> None:
        with self.app.app_context(), self.db.engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement) if isinstance(statement, str) else statement)

    def table_names(self) -> set[str]:
        with self.app.app_context():
            schema = self.db.metadata.schema
            return set(sa.inspect(self.db.engine).get_table_names(schema=schema))

    def our_tables(self) -> set[str]:
        return self.table_names() & TABLE_NAMES

    def create_all(self) -> None:
        with self.app.app_context():
            self.db.create_all()


MakeHost = Callable[..., Host]


@pytest.fixture
def make_host() -> MakeHost:
    def make(
        url: str, metadata: sa.MetaData | None = None, engine_options: dict[str, Any] | None = None
    ) -> Host:
        app = Flask("host")
        app.config["SQLALCHEMY_DATABASE_URI"] = url
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options or {}
        db = SQLAlchemy(metadata=metadata)
        credits = StripeCredits(db=db)
        db.init_app(app)
        credits.init_app(app)
        return Host(app, db, credits)

    return make


@pytest.fixture
def host(make_host: MakeHost, database_url: str) -> Host:
    """A host on an empty database, once on SQLite and once on PostgreSQL."""
    return make_host(database_url)
