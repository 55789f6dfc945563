from __future__ import annotations

import getpass
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result

from flask_stripe_credits.catalog import active_packages, find_active_package
from flask_stripe_credits.catalog.file import default_catalog, parse_packages
from flask_stripe_credits.catalog.packages import Loaded, load_packages
from flask_stripe_credits.errors import PackageNotFound
from flask_stripe_credits.unit_of_work import in_transaction

from ..hosts import Host, make_host
from ..payloads import new_api_key

GOLD = """
[[packages]]
package_code = "gold"
package_name = "Gold Pack"
credits = 9000
unit_amount = 7_000
currency = "eur"
"""


def packages(host: Host, *arguments: str, stdin: str | None = None) -> Result:
    runner = host.app.test_cli_runner()
    return runner.invoke(args=["credits", "packages", *arguments], input=stdin)


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def by_code(host: Host) -> dict[str, dict[str, Any]]:
    return {row["package_code"]: row for row in host.rows(host.credits.Package)}


def audit(host: Host) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (row["actor"], row["action"], row["details"]) for row in host.rows(host.credits.AuditLog)
    ]


def set_prices(host: Host, price_id: str) -> None:
    table = host.state.models.table(host.credits.Package)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).values(stripe_price_id=price_id, stripe_product_id="p"))


def test_without_a_file_the_default_catalogue_is_loaded_in_its_order(host: Host) -> None:
    assert ok(packages(host, "load")).splitlines() == [
        "created    starter: Starter Pack, 1,000 credits for $10.00",
        "created    standard: Standard Pack, 5,000 credits for $45.00",
        "created    pro: Pro Pack, 10,000 credits for $80.00",
        "created    enterprise: Enterprise Pack, 50,000 credits for $350.00",
    ]
    with host.app.app_context():
        rows = in_transaction(host.state, lambda uow: active_packages(uow, host.state.models))
    assert [(row["package_code"], row["unit_amount"], row["display_order"]) for row in rows] == [
        ("starter", 1_000, 1),
        ("standard", 4_500, 2),
        ("pro", 8_000, 3),
        ("enterprise", 35_000, 4),
    ]
    assert all(row["is_active"] and row["currency"] == "usd" for row in rows)


def test_loading_again_changes_nothing_and_says_so(host: Host) -> None:
    packages(host, "load")
    before, trail = by_code(host), audit(host)
    told = ok(packages(host, "load")).splitlines()
    assert told == [f"unchanged  {code}" for code in ("starter", "standard", "pro", "enterprise")]
    assert by_code(host) == before
    assert audit(host) == trail


def test_a_change_is_told_field_by_field_and_kept_in_the_audit_log(
    host: Host, tmp_path: Path
) -> None:
    file = tmp_path / "gold.toml"
    file.write_text(GOLD)
    assert "created    gold: Gold Pack, 9,000 credits for €70.00" in ok(
        packages(host, "load", str(file), "--by", "ann")
    )
    file.write_text(GOLD.replace("7_000", "6500") + 'description = "Größer"\n')
    assert ok(packages(host, "load", str(file))).splitlines() == [
        'updated    gold: unit_amount 7000 -> 6500, description none -> "Größer"'
    ]
    created, updated = audit(host)
    assert created[:2] == ("ann", "package.created")
    assert created[2]["after"]["unit_amount"] == 7000
    assert updated[:2] == (getpass.getuser(), "package.updated")
    assert updated[2] == {
        "package_code": "gold",
        "before": {"description": None, "unit_amount": 7000},
        "after": {"description": "Größer", "unit_amount": 6500},
    }


def test_F25_a_live_catalogue_is_loaded_only_with_live(sqlite_host: Host) -> None:
    live = make_host(sqlite_host.db_url, tables=False, STRIPE_SECRET_KEY=new_api_key("live"))
    refused = packages(live, "load")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: the API key is a live key: add --live if that is meant\n"
    assert by_code(live) == {}
    ok(packages(live, "load", "--live"))
    assert len(by_code(live)) == 4
    assert packages(sqlite_host, "load", "--live").exit_code == 1


def test_packages_that_the_file_does_not_name_are_left_alone_and_named(host: Host) -> None:
    packages(host, "load")
    before = by_code(host)
    told = ok(packages(host, "load", "-", stdin=GOLD))
    assert told.splitlines()[-1] == (
        "left alone, not in the file: starter, standard, pro, enterprise"
    )
    after = by_code(host)
    assert after.pop("gold")["display_order"] == 1
    assert after == before


@pytest.mark.parametrize("change", [("7_000", "7_100"), ('"eur"', '"usd"')])
def test_another_price_or_currency_takes_the_stripe_price_away(
    host: Host, change: tuple[str, str]
) -> None:
    packages(host, "load", "-", stdin=GOLD)
    set_prices(host, "price_1")
    told = ok(packages(host, "load", "-", stdin=GOLD.replace(*change)))
    assert 'stripe_price_id "price_1" -> none' in told
    row = by_code(host)["gold"]
    assert (row["stripe_price_id"], row["stripe_product_id"]) == (None, "p")


@pytest.mark.parametrize("change", [("Gold Pack", "Golden Pack"), ("9000", "9500")])
def test_any_other_change_keeps_the_stripe_price(host: Host, change: tuple[str, str]) -> None:
    packages(host, "load", "-", stdin=GOLD)
    set_prices(host, "price_1")
    assert "updated" in ok(packages(host, "load", "-", stdin=GOLD.replace(*change)))
    assert by_code(host)["gold"]["stripe_price_id"] == "price_1"


def test_a_package_taken_off_sale_stays_so_until_a_file_says_otherwise(host: Host) -> None:
    packages(host, "load", "-", stdin=GOLD + "is_active = false\n")
    with host.app.app_context(), pytest.raises(PackageNotFound):
        in_transaction(host.state, lambda uow: find_active_package(uow, "gold"))
    assert ok(packages(host, "load", "-", stdin=GOLD)) == "unchanged  gold\n"
    assert not by_code(host)["gold"]["is_active"]
    packages(host, "load", "-", stdin=GOLD + "is_active = true\n")
    assert by_code(host)["gold"]["is_active"]


@pytest.mark.parametrize("code", ["gold ", "GOLD", "gol", "", "gold\x00", "\ud800", "a" * 10_000])
def test_F12_only_the_exact_code_finds_a_package(host: Host, code: str) -> None:
    packages(host, "load", "-", stdin=GOLD)
    with host.app.app_context():
        row = in_transaction(host.state, lambda uow: find_active_package(uow, "gold"))
        assert row["credits"] == 9000
        with pytest.raises(PackageNotFound):
            in_transaction(host.state, lambda uow: find_active_package(uow, code))


def test_a_bad_file_changes_nothing_and_every_mistake_gets_its_line(host: Host) -> None:
    packages(host, "load")
    before, trail = by_code(host), audit(host)
    bad = GOLD + GOLD.replace("7_000", "70.00").replace('"gold"', '"silver"') + "price_usd = 1\n"
    result = packages(host, "load", "-", stdin=bad)
    assert result.exit_code == 1
    assert result.stdout == ""
    first, second = result.stderr.splitlines()
    assert first.startswith("Error: package 2 (silver): 'price_usd' is no field of a package")
    assert second.startswith("package 2 (silver): unit_amount must be a whole number of minor")
    assert by_code(host) == before
    assert audit(host) == trail


def test_a_file_that_is_not_there_is_one_readable_line(host: Host, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        result = packages(host, "load", str(path))
        assert result.exit_code == 2
        assert str(path) in result.stderr
    assert by_code(host) == {}


def test_missing_tables_are_one_readable_line_that_says_what_to_run(host: Host) -> None:
    with host.app.app_context():
        host.db.drop_all()
    for command in ("load", "list", "export"):
        result = packages(host, command)
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert "flask credits db upgrade" in result.stderr


def test_the_list_shows_prices_as_people_write_them(host: Host) -> None:
    assert "flask credits packages load" in ok(packages(host, "list"))
    packages(host, "load")
    packages(host, "load", "-", stdin=GOLD + "is_active = false\n")
    shown = [" ".join(line.split()) for line in ok(packages(host, "list")).splitlines()]
    assert shown == [
        "CODE NAME CREDITS PRICE DISCOUNT FOR SALE STRIPE PRICE",
        "gold Gold Pack 9,000 €70.00 0% no not synced",
        "starter Starter Pack 1,000 $10.00 0% yes not synced",
        "standard Standard Pack 5,000 $45.00 10% yes not synced",
        "pro Pro Pack 10,000 $80.00 20% yes not synced",
        "enterprise Enterprise Pack 50,000 $350.00 30% yes not synced",
    ]


def test_the_list_as_json_has_minor_units(host: Host) -> None:
    assert json.loads(ok(packages(host, "list", "--json"))) == []
    packages(host, "load")
    standard = json.loads(ok(packages(host, "list", "--json")))[1]
    assert standard == {
        "package_code": "standard",
        "package_name": "Standard Pack",
        "description": "Great value for regular users",
        "credits": 5000,
        "unit_amount": 4500,
        "currency": "usd",
        "discount_percentage": 10,
        "is_active": True,
        "display_order": 2,
        "stripe_product_id": None,
        "stripe_price_id": None,
    }


def test_what_is_exported_loads_back_to_the_same(host: Host, tmp_path: Path) -> None:
    packages(host, "load")
    packages(host, "load", "-", stdin=GOLD + 'is_active = false\ndescription = "„Ü\\"\\n\\\\"\n')
    exported = packages(host, "export").stdout_bytes
    (tmp_path / "all.toml").write_bytes(exported)
    other = make_host(f"sqlite:///{tmp_path / 'other.sqlite'}")
    ok(packages(other, "load", str(tmp_path / "all.toml")))
    assert packages(other, "export").stdout_bytes == exported

    def what_is_sold(rows: dict[str, dict[str, Any]]) -> list[tuple[Any, ...]]:
        ours = ("id", "created_at", "updated_at", "display_order")
        return [
            tuple(value for name, value in row.items() if name not in ours)
            for row in sorted(rows.values(), key=lambda r: (r["display_order"], r["package_code"]))
        ]

    assert what_is_sold(by_code(other)) == what_is_sold(by_code(host))


def test_loads_at_the_same_time_make_each_package_once(host: Host) -> None:
    specs = parse_packages(default_catalog())
    barrier = threading.Barrier(4)
    loads: list[Loaded] = []

    def load() -> None:
        with host.app.app_context():
            barrier.wait()
            loads.append(
                in_transaction(host.state, lambda uow: load_packages(uow, specs, actor="cli"))
            )

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    created = [change for load in loads for change in load.changes if change.kind == "created"]
    assert (len(loads), len(created)) == (4, 4)
    assert (len(by_code(host)), len(audit(host))) == (4, 4)
