"""``docs/reference/sandbox.md`` says what the sandbox has, and what it hasn't."""

from __future__ import annotations

import re

import pytest
import requests

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.sandbox.api.dispatch import RESOURCES

from ..docs.pages import codes, sections, tables
from .conftest import new_key
from .test_command_line_client import TRIGGERS
from .tour import seen

_PAGE = sections("reference/sandbox.md")
_CALL = re.compile(r"(GET|POST|DELETE) (/[^\s`]+)")

pytestmark = pytest.mark.xdist_group("tour")


def calls() -> set[tuple[str, str]]:
    """Return every call that the sandbox has."""
    return {(route.method, route.path) for one in RESOURCES for route in one.routes.table}


def test_every_call_is_on_the_page_and_no_other() -> None:
    (table,) = tables(_PAGE["Calls"])
    listed = [_CALL.findall(row[0])[0] for row in table[1:]]
    assert sorted(listed) == sorted(calls())


def test_the_filters_on_the_page_are_those_that_lists_take() -> None:
    (table,) = tables(_PAGE["Calls"])
    fields = {
        f"{route.method} {route.path}": set(route.fields("2026-10-28.endive").known)
        for one in RESOURCES
        for route in one.routes.table
    }
    checked = 0
    for call, what in table[1:]:
        if what.startswith("filters: "):
            (name,) = codes(call)
            filters = set(codes(what.partition(";")[0]))
            assert filters <= fields[name], name
            checked += 1
    assert checked > 10


def test_a_tour_goes_everywhere_and_is_refused_in_every_way() -> None:
    succeeded = {(method, path) for method, path, status, _ in seen().answers if status == 200}
    assert succeeded == calls()
    assert {status for _, _, status, _ in seen().answers} == {200, 400, 401, 402, 404}


def test_every_event_that_a_tour_hears_of_is_on_the_page_and_no_other() -> None:
    (table,) = tables(_PAGE["Events"])
    listed = [type for row in table[1:] for type in codes(row[1])]
    assert sorted(listed) == sorted({event["type"] for event in seen().events})


def test_what_the_page_says_is_missing_is_missing(sandbox: Sandbox) -> None:
    (table,) = tables(_PAGE["What it doesn't have"])
    missing = [call for row in table[1:] for call in _CALL.findall(row[0])]
    assert len(missing) > 8
    for method, path in missing:
        # An id that the sandbox has would find a call with an id in its place.
        answer = requests.request(
            method,
            sandbox.url + path.replace("<id>", "x_1"),
            headers={"Authorization": f"Bearer {new_key()}"},
            timeout=30,
        )
        assert answer.status_code == 404, path


def test_the_triggers_on_the_page_are_those_that_are_tried() -> None:
    section = sections("how-to/run-the-sandbox.md")["Stripe's command-line client"]
    (table,) = tables(section)
    assert [trigger for row in table[1:] for trigger in codes(row[0])] == list(TRIGGERS)
