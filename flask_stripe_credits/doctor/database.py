"""Whether the database answers and has our tables."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from ..errors import MigrationRefused
from ..revisions import Revisions
from .examination import reason_of
from .findings import Finding, error, ok
from .patient import Patient


def database(patient: Patient) -> Iterator[Finding]:
    """Does it answer?"""
    engine = patient.state.db.engine
    where = place_of(engine.url)
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except sa.exc.DBAPIError as trouble:
        yield error(
            f"{where} doesn't answer: {reason_of(trouble)}",
            "start it, or mend SQLALCHEMY_DATABASE_URI",
        )
    except sa.exc.TimeoutError:
        yield error(f"{where} has no connection to spare", "make the pool larger")
    else:
        yield ok(where)


def place_of(url: sa.URL) -> str:
    """Say where a database is, without its password and options."""
    host = f" at {url.host}" + (f":{url.port}" if url.port else "") if url.host else ""
    return f"{url.get_backend_name()}{host}, {url.database or 'in memory'}"


def tables(patient: Patient) -> Iterator[Finding]:
    """Are the tables those of this release?"""
    revisions = Revisions(patient.state.db.engine, patient.state.models)
    try:
        current, problems = revisions.current(), revisions.problems()
    except MigrationRefused as refused:
        yield error(str(refused), "install the newest release")
        return
    if not problems:
        yield ok(f"at revision {current}, the newest")
    elif current is not None and current == revisions.newest:
        for problem in problems:
            yield error(problem, "something else changed our tables: find out what")
    else:
        for problem in problems:
            told, _, _ = problem.partition(": run `")
            command = "stamp" if "`flask credits db stamp`" in problem else "upgrade"
            yield error(told, command=f"flask credits db {command}")
