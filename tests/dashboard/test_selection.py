"""Which days a reader chose, and links to them."""

from __future__ import annotations

import datetime as dt

import pytest
from flask import Flask

from flask_stripe_credits.web.pages.dashboard.selection import Selection, read_selection

TODAY = dt.date(2026, 3, 15)


def read(**args: str) -> Selection:
    with Flask("selection").app_context():
        return read_selection(args | {"from": args["first"]} if "first" in args else args, TODAY)


def moment(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("preset", "since"),
    [
        ("7d", "2026-03-09"),
        ("30d", "2026-02-14"),
        ("90d", "2025-12-16"),
        ("12m", "2025-03-16"),
        ("bogus", "2026-02-14"),
    ],
)
def test_presets_are_whole_days_that_end_now(preset: str, since: str) -> None:
    found = read(range=preset)
    assert found.since == moment(since)
    assert found.until is None
    assert found.query()["range"] in ("7d", "30d", "90d", "12m")


def test_everything_has_no_ends() -> None:
    found = read(range="all")
    assert (found.since, found.until, found.query()) == (None, None, {"range": "all"})


def test_days_are_both_included() -> None:
    found = read(first="2026-01-01", to="2026-01-31", package="pro")
    assert (found.since, found.until) == (moment("2026-01-01"), moment("2026-02-01"))
    assert found.query() == {"from": "2026-01-01", "to": "2026-01-31", "package": "pro"}
    assert found.query("7d") == {"range": "7d", "package": "pro"}


def test_one_end_may_be_open() -> None:
    assert read(first="2026-01-01").until is None
    assert read(to="2026-01-31").since is None
    assert read(to="2026-01-31").query() == {"to": "2026-01-31"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": "31.1.2026"},
        {"to": "2026-02-30"},
        {"to": "9999-12-31"},
        {"first": "2026-02-02", "to": "2026-02-01"},
    ],
)
def test_what_makes_no_sense_is_said_and_passed_over(wrong: dict[str, str]) -> None:
    found = read(**wrong, package="pro")
    assert found.problem is not None
    assert found.preset == "30d"
    assert found.package_code == "pro"
