"""Whatever a check does, the others are run and the doctor ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import current_app

from flask_stripe_credits.doctor import Check, Finding, Level, Patient, examination, examine
from flask_stripe_credits.doctor.findings import error, ok, warning
from flask_stripe_credits.errors import DatabaseBusy

from ..hosts import Host, make_host
from .examined import examined

REAL_SECONDS = examination.ALL_SECONDS


def run(host: Host, *checks: Check) -> list[tuple[str, Level, str]]:
    lines = examine(Patient(host.app, host.state), checks)
    return [(line.check.id, line.finding.level, line.finding.found) for line in lines]


def well(patient: Patient) -> Iterator[Finding]:
    yield ok("well")


def raising(problem: Exception) -> Check:
    def examine(patient: Patient) -> Iterator[Finding]:
        yield ok("so far")
        raise problem

    return Check("raises", "Raises", examine)


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (DatabaseBusy("the database gave up"), "the database gave up"),
        (
            sa.exc.OperationalError("SELECT 1", {}, Exception("it is down\nfor good")),
            "the database refused: it is down",
        ),
        (ValueError("sk_test_"), "the check itself failed: ValueError; the log says more"),
    ],
)
def test_what_a_check_raises_is_its_finding(
    sqlite_host: Host, problem: Exception, told: str
) -> None:
    after = Check("after", "After", well)
    found = run(sqlite_host, raising(problem), after)
    assert found == [("raises", Level.ERROR, told), ("after", Level.OK, "well")]


def test_what_needs_something_broken_is_not_checked(sqlite_host: Host) -> None:
    def never(patient: Patient) -> Iterator[Finding]:
        raise AssertionError("was run")

    found = run(
        sqlite_host,
        Check("broken", "", lambda patient: [ok("in part"), error("broken")]),
        Check("above", "", never, needs=("broken",)),
        Check("far_above", "", never, needs=("above",)),
        Check("worn", "", lambda patient: [warning("worn")]),
        Check("beside", "", well, needs=("worn",)),
    )
    assert [line for line in found if line[0] in ("above", "far_above", "beside")] == [
        ("above", Level.SKIPPED, "not checked because of broken"),
        ("far_above", Level.SKIPPED, "not checked because of broken"),
        ("beside", Level.OK, "well"),
    ]


def test_D07_what_hangs_is_left_behind(sqlite_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(examination, "ALL_SECONDS", 0.12)
    release = threading.Event()

    def hang(patient: Patient) -> Iterator[Finding]:
        release.wait()
        yield ok("at last")

    started = time.monotonic()
    checks = [Check(f"hangs_{number}", "", hang) for number in range(5)]
    found = run(sqlite_host, *checks)
    release.set()
    assert time.monotonic() - started < 30
    assert found[0] == ("hangs_0", Level.ERROR, "no answer within 0 s")
    assert found[-1] == (
        "hangs_4",
        Level.SKIPPED,
        "not checked because the others took too long",
    )


def test_the_limits_are_below_half_a_minute() -> None:
    assert REAL_SECONDS < 30 - 1


def test_checks_run_inside_the_app(sqlite_host: Host) -> None:
    def named(patient: Patient) -> Iterator[Finding]:
        yield ok(current_app.name)

    assert run(sqlite_host, Check("app", "", named)) == [("app", Level.OK, "host")]


def test_D07_C06_a_database_that_never_answers_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(examination, "CHECK_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        host = make_host(f"postgresql+psycopg://shop@127.0.0.1:{port}/shop", tables=False)
        started = time.monotonic()
        found = examined(host, "tables", "reviews")
        assert time.monotonic() - started < 30
    assert found["database"][0].found.startswith("no answer within")
    for id in ("tables", "reviews"):
        assert found[id][0].found == "not checked because of database"
