"""Whether the database answers and has our tables."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from ..errors import MigrationRefused
from ..reading import reading
from ..revisions import Revisions
from .examination import reason_of
from .findings import Finding, error, ok, warning
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


def mode_of_data(patient: Patient) -> Iterator[Finding]:
    """Are the newest purchases of the key's mode?"""
    c = patient.state.models.table(patient.state.models.Purchase).c
    with reading(patient.state) as connection:
        newest = connection.scalar(sa.select(c.livemode).order_by(c.created_at.desc()).limit(1))
    mode, other = ("live", "test") if patient.livemode else ("test", "live")
    if newest is None or newest == patient.livemode:
        yield ok(f"no newer purchases than those of {mode} mode, as is the key")
        return
    yield warning(
        f"the newest purchase is of {other} mode, and the key is a {mode} key",
        "is this the right database for the key? What was bought in the other mode stays in "
        "your credit manager, and can't be refunded with this key",
    )
