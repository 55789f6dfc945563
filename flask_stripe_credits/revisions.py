"""Bring our tables to a revision of their own history, which is not the host's."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from .errors import MigrationRefused, TablesOutOfDate
from .host_migrations import VERSION_TABLE
from .migration_lock import migration_lock
from .models import TABLE_NAMES, Models
from .table_differences import table_differences


@dataclass(frozen=True, slots=True)
class Downgrade:
    """What a downgrade did."""

    undone: tuple[str, ...]
    dropped_tables: tuple[str, ...]


class Revisions:
    """The revisions of our tables in the database of ``engine``.

    Every change is made under :func:`~.migration_lock.migration_lock` and, as both databases allow
    it, in one transaction, so that nothing is changed when an error is raised. On PostgreSQL a
    revision may leave it, in order that nobody waits for it; then it can be run again.
    """

    def __init__(self, engine: sa.Engine, models: Models) -> None:
        self._engine = engine
        self._models = models
        schema = models.tables[0].schema
        translated = engine.get_execution_options().get("schema_translate_map") or {}
        self._schema: str | None = translated.get(schema, schema)
        self._scripts = ScriptDirectory.from_config(_config())

    @property
    def newest(self) -> str | None:
        """The newest revision that this release knows."""
        return self._scripts.get_current_head()

    def current(self) -> str | None:
        """The revision that the database is at, None before the first."""
        with self._engine.connect() as connection:
            return self._current(connection)

    def are_unmarked(self) -> bool:
        """Whether all our tables are there and no revision is, as ``db.create_all()`` leaves it."""
        with self._engine.connect() as connection:
            unmarked = self._current(connection) is None
            return unmarked and self._our_tables(connection) == TABLE_NAMES

    def upgrade(self, revision: str = "head") -> tuple[str, ...]:
        """Bring the tables up to ``revision``; return a line for each revision applied.

        Safe to repeat, and to run in several processes at once.

        :raises TablesOutOfDate: when ``db.create_all()`` made the tables, so that we can't know
            their revision.
        :raises MigrationRefused: when other tables have our names, the schema is missing, the
            database is newer than this release, or there is no such revision.
        """
        with migration_lock(self._engine) as connection:
            self._require_schema(connection)
            current = self._current(connection)
            if current is None:
                self._refuse_tables_without_a_revision(connection)
            self._require_known(current)
            return self._run(connection, command.upgrade, revision)

    def downgrade(self, revision: str = "-1", *, lose_rows: bool = False) -> Downgrade:
        """Bring the tables down to ``revision``.

        :param lose_rows: whether tables that hold rows may be dropped.
        :raises MigrationRefused: when rows would be lost, a table of the host's refers to one that
            would be dropped, or there is no such revision below the current one.
        """
        with migration_lock(self._engine) as connection:
            current = self._current(connection)
            if current is None:
                raise MigrationRefused("there is nothing to downgrade: no revision is applied")
            self._require_known(current)
            to_base = any(script.is_base for script in self._below(current, revision))
            before = self._our_tables(connection)
            if to_base:
                self._refuse_references(connection, before)
                if not lose_rows:
                    self._refuse_rows(connection, before)
            undone = self._run(connection, command.downgrade, revision)
            dropped = before - self._our_tables(connection)
            if to_base:
                version_table = sa.Table(VERSION_TABLE, sa.MetaData(), schema=self._schema)
                version_table.drop(connection)
                if connection.dialect.name != "sqlite":
                    connection.commit()
            return Downgrade(undone, tuple(sorted(dropped)))

    def stamp(self, revision: str = "head") -> str | None:
        """Write down that the tables, made otherwise, are at ``revision``; return that revision.

        :raises TablesOutOfDate: when there are no tables, or they aren't the newest revision's
            and ``revision`` is the newest.
        :raises MigrationRefused: when there is no such revision.
        """
        with migration_lock(self._engine) as connection:
            if revision != "base" and not self._our_tables(connection):
                raise TablesOutOfDate(
                    "there are no credit tables to stamp: run `flask credits db upgrade`"
                )
            target = self._resolve(revision)
            if target == self.newest and (found := self._differences(connection)):
                raise TablesOutOfDate(
                    f"the tables aren't those of revision {target}: {'; '.join(found)}"
                )
            self._run(connection, command.stamp, revision)
            return target

    def problems(self) -> list[str]:
        """What keeps the tables from being those of the models, an empty list if nothing does.

        Only our own tables are looked at. Changes nothing.
        """
        with self._engine.connect() as connection:
            current = self._current(connection)
            if current is None:
                if self._our_tables(connection):
                    return [
                        "the credit tables have no revision: run `flask credits db stamp` if "
                        "db.create_all() made them"
                    ]
                return ["the credit tables are missing: run `flask credits db upgrade`"]
            self._require_known(current)
            if current != self.newest:
                return [
                    f"the credit tables are at revision {current}, the newest is {self.newest}: "
                    f"run `flask credits db upgrade`"
                ]
            return self._differences(connection)

    def _current(self, connection: sa.Connection) -> str | None:
        options = {"version_table": VERSION_TABLE, "version_table_schema": self._schema}
        return MigrationContext.configure(connection, opts=options).get_current_revision()

    def _our_tables(self, connection: sa.Connection) -> set[str]:
        found = sa.inspect(connection).get_table_names(schema=self._schema)
        return set(found) & TABLE_NAMES

    def _differences(self, connection: sa.Connection) -> list[str]:
        return table_differences(connection, self._models.tables, self._schema)

    def _require_schema(self, connection: sa.Connection) -> None:
        if self._schema and not sa.inspect(connection).has_schema(self._schema):
            raise MigrationRefused(
                f"the schema {self._schema!r} of your MetaData doesn't exist in the database: "
                f"create it first"
            )

    def _refuse_tables_without_a_revision(self, connection: sa.Connection) -> None:
        found = self._our_tables(connection)
        if not found:
            return
        if found != TABLE_NAMES:
            raise MigrationRefused(
                f"the database already has {', '.join(sorted(found))}, but not our other tables: "
                f"rename or drop them, or give your MetaData a schema"
            )
        raise TablesOutOfDate(
            "the credit tables are already there, but no revision is written down, as "
            "db.create_all() leaves it: run `flask credits db stamp`"
        )

    def _require_known(self, current: str | None) -> None:
        if current is None:
            return
        try:
            self._scripts.get_revision(current)
        except CommandError:
            raise MigrationRefused(
                f"the credit tables are at revision {current}, which this release of "
                f"flask-stripe-credits doesn't know: install the release that made it"
            ) from None

    def _resolve(self, revision: str) -> str | None:
        try:
            script = self._scripts.get_revision(revision)
        except CommandError as error:
            raise MigrationRefused(str(error)) from error
        return None if script is None else script.revision

    def _below(self, current: str, revision: str) -> list[Script]:
        try:
            return list(
                self._scripts.iterate_revisions(current, revision, select_for_downgrade=True)
            )
        except RevisionError as error:
            raise MigrationRefused(str(error)) from error

    def _refuse_references(self, connection: sa.Connection, tables: Collection[str]) -> None:
        inspector = sa.inspect(connection)
        for (schema, name), keys in inspector.get_multi_foreign_keys(
            schema=self._schema, kind=sa.engine.ObjectKind.TABLE
        ).items():
            for key in keys:
                ours = key["referred_table"] in tables
                if ours and key["referred_schema"] == schema and name not in tables:
                    raise MigrationRefused(
                        f"your table {name} has a foreign key to {key['referred_table']}: drop "
                        f"that key first"
                    )

    def _refuse_rows(self, connection: sa.Connection, tables: Collection[str]) -> None:
        held = []
        for name in sorted(tables):
            table = sa.table(name, schema=self._schema)
            count = connection.scalar(sa.select(sa.func.count()).select_from(table))
            if count:
                held.append(f"{name} ({count} {'row' if count == 1 else 'rows'})")
        if held:
            raise MigrationRefused(f"this would drop {', '.join(held)}: repeat with --yes")

    def _run(
        self, connection: sa.Connection, alembic: Callable[[Config, str], None], revision: str
    ) -> tuple[str, ...]:
        applied: list[str] = []

        def note(*, step: MigrationInfo, **extra: object) -> None:
            script = step.up_revision
            if script is not None:
                applied.append(f"{script.revision}: {cast(Script, script).doc}")

        if connection.dialect.name != "sqlite":
            # Alembic begins and ends its own transaction, so that a revision may leave it.
            connection.commit()
        config = _config()
        config.attributes["configure"] = {
            "connection": connection,
            "version_table": VERSION_TABLE,
            "version_table_schema": self._schema,
            "on_version_apply": note,
        }
        try:
            alembic(config, revision)
        except CommandError as error:
            raise MigrationRefused(str(error)) from error
        return tuple(applied)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    return config


def migrations_directory() -> Path:
    """Inside the package when it was installed from a wheel, beside it in a source tree."""
    here = Path(__file__).parent
    shipped = here / "migrations"
    return shipped if (shipped / "env.py").is_file() else here.parent / "migrations"
