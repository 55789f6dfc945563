from __future__ import annotations

import getpass
import json
from typing import Any

import pytest
from click.testing import Result

from ..hosts import Host, make_host
from ..payloads import new_api_key

TEST_MODE = "Stripe in test mode, site local"


def packages(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "packages", *arguments])


def ok(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def starter(host: Host) -> dict[str, Any]:
    (row,) = host.rows(host.credits.Package, package_code="starter")
    return row


def actors(host: Host) -> list[str]:
    rows = host.rows(host.credits.AuditLog)
    return [row["actor"] for row in rows if row["action"] == "package.updated"]


@pytest.fixture
def host(sqlite_host: Host) -> Host:
    sqlite_host.load_packages()
    return sqlite_host


def test_an_edit_prints_what_it_was_and_what_it_is(host: Host) -> None:
    told = ok(packages(host, "edit", "starter", "--price", "12.50", "--name", "Größe S"))
    assert told == [
        TEST_MODE,
        "updated: starter",
        '  package_name: "Starter Pack" -> "Größe S"',
        "  unit_amount: 1000 -> 1250",
        "Stripe's product follows with the next sync: run `flask credits sync --apply`",
    ]
    assert starter(host)["unit_amount"] == 1_250
    assert ok(packages(host, "edit", "starter", "--unit-amount", "1250")) == [
        TEST_MODE,
        "unchanged: starter",
    ]
    assert actors(host) == [getpass.getuser()]


def test_every_option_reaches_its_column(host: Host) -> None:
    options = {
        "package_name": ("--name", "New"),
        "description": ("--description", "Text"),
        "credits": ("--credits", 7),
        "unit_amount": ("--unit-amount", 8),
        "currency": ("--currency", "eur"),
        "discount_percentage": ("--discount-percentage", 9),
        "display_order": ("--display-order", 10),
    }
    arguments = [str(word) for pair in options.values() for word in pair]
    ok(packages(host, "edit", "starter", *arguments, "--by", "ann"))
    row = starter(host)
    assert {name: row[name] for name in options} == {
        name: value for name, (_, value) in options.items()
    }
    assert actors(host) == ["ann"]


def test_the_price_is_one_of_the_currency_that_the_package_will_have(host: Host) -> None:
    ok(packages(host, "edit", "starter", "--price", "500", "--currency", "jpy"))
    assert (starter(host)["unit_amount"], starter(host)["currency"]) == (500, "jpy")
    refused = packages(host, "edit", "starter", "--price", "1.5")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: --price: 1.5 has more decimal digits than jpy allows\n"
    assert packages(host, "edit", "starter", "--price", "5", "--currency", "JPY").exit_code == 1


def test_off_sale_and_on_sale_again(host: Host) -> None:
    told = ok(packages(host, "deactivate", "starter", "--by", "ann"))
    assert told[1:3] == ["updated: starter", "  is_active: true -> false"]
    assert not starter(host)["is_active"]
    answer = packages(host, "activate", "starter", "--json", "--by", "bob")
    assert json.loads(answer.stdout) == {
        "package_code": "starter",
        "result": "updated",
        "before": {"is_active": False},
        "after": {"is_active": True},
    }
    assert actors(host) == ["ann", "bob"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["edit", "starter"], 2, "say what to change, e.g. --price 12.50"),
        (["edit", "starter", "--price", "1", "--unit-amount", "1"], 2, "give one of them"),
        (["edit", "starter", "--price", "-1"], 2, "'-1' is no amount like 12.50"),
        (["edit", "starter", "--price", "nan"], 2, "'nan' is no amount like 12.50"),
        (["edit", "starter", "--credits", "0"], 1, "Error: credits must be a whole number from 1"),
        (["edit", "starter", "--credits", "5", "--by", ""], 1, "Error: say who does it"),
        (["edit", "gold", "--credits", "5"], 1, "Error: there is no package 'gold': `flask cre"),
        (["deactivate", "gold"], 1, "Error: there is no package 'gold': `flask credits packages"),
        (["activate", "starter", "--live"], 1, "--live was given, but the API key is a test key"),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(
    host: Host, arguments: list[str], code: int, told: str
) -> None:
    before = host.rows(host.credits.Package)
    result = packages(host, *arguments)
    assert (result.exit_code, told in result.stderr) == (code, True), result.stderr
    assert host.rows(host.credits.Package) == before


def test_F25_a_live_package_changes_only_with_live(database_url: str) -> None:
    host = make_host(database_url, STRIPE_SECRET_KEY=new_api_key("live"))
    host.load_packages()
    refused = packages(host, "edit", "starter", "--credits", "5")
    assert (refused.exit_code, refused.stdout) == (1, "Stripe in live mode, site local\n")
    assert starter(host)["credits"] == 1_000
    told = ok(packages(host, "deactivate", "starter", "--live"))
    assert told[-1].endswith("run `flask credits sync --apply --live`")
    assert not starter(host)["is_active"]


def test_it_works_before_there_is_a_key(database_url: str) -> None:
    host = make_host(database_url, STRIPE_SECRET_KEY="")
    host.load_packages()
    told = ok(packages(host, "edit", "starter", "--credits", "5"))
    assert told[0] == "Stripe in unknown mode, site local"
    assert starter(host)["credits"] == 5
