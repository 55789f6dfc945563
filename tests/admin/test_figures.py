"""The figures over HTTP are those of ``flask credits stats``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_stripe_credits.demo_data import make_demo_data

from ..reports.conftest import END
from .conftest import Operator


@pytest.mark.parametrize("package_code", [None, "standard"])
def test_they_are_those_of_the_command(operator: Operator, package_code: str | None) -> None:
    with operator.shop.app.app_context():
        make_demo_data(operator.shop.state, 300, 3, END)
    query = {"since": "2026-06-15T12:00:00Z", "until": "2026-10-01", "bucket": "week"}
    more = {} if package_code is None else {"package_code": package_code}
    shown = operator.get("/figures", **query, **more)
    arguments = [f"--{name}={value}" for name, value in query.items()]
    arguments += [f"--package={code}" for code in more.values()]
    command = operator.shop.app.test_cli_runner().invoke(
        args=["credits", "stats", "--json", *arguments]
    )
    assert shown == json.loads(command.output)
    assert shown["currencies"][-1]["total"]["gross"] > 0
    assert shown["since"] == "2026-06-15T12:00:00Z"


def test_without_a_period_it_is_everything_until_now(operator: Operator) -> None:
    with operator.shop.app.app_context():
        make_demo_data(operator.shop.state, 300, 3, END)
    assert operator.get("/figures")["funnel"]["opened"] == 300


WRONG_PERIODS: list[tuple[dict[str, Any], str]] = [
    ({"since": "soon"}, "since"),
    ({"since": "2026-02-01", "until": "2026-01-01"}, "until"),
    ({"since": "0001-01-01", "bucket": "day"}, "bucket"),
    ({"bucket": "hour"}, "bucket"),
    ({"package_code": "a\0"}, "package_code"),
    ({"package": "pro"}, "package"),
]


def test_what_cant_be_is_named(small_operator: Operator) -> None:
    for query, field in WRONG_PERIODS:
        answer = small_operator.ask("GET", "/figures", query_string=query)
        assert answer.status_code == 422, answer.text
        assert list((answer.json or {})["errors"]) == [field]
