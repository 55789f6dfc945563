"""Changing one package, as the command line and the admin routes do."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.catalog.changes import Change
from flask_stripe_credits.catalog.editing import (
    activate_package,
    create_package,
    deactivate_package,
    edit_package,
)
from flask_stripe_credits.catalog.file import PackageSpec, default_catalog, parse_packages
from flask_stripe_credits.catalog.packages import load_packages
from flask_stripe_credits.errors import InvalidPackage, NoSuchPackage, PackageExists
from flask_stripe_credits.unit_of_work import in_transaction

from .hosts import Host, make_host

GOLD = {
    "package_code": "gold",
    "package_name": "Gold Pack",
    "credits": 9_000,
    "unit_amount": 7_000,
    "currency": "eur",
}


def create(host: Host, **values: Any) -> Change:
    with host.app.app_context():
        return create_package(host.state, GOLD | values, actor="ann")


def edit(host: Host, **values: Any) -> Change:
    with host.app.app_context():
        return edit_package(host.state, "gold", values, actor="bob")


def gold(host: Host) -> dict[str, Any]:
    (row,) = host.rows(host.credits.Package, package_code="gold")
    return row


def audit(host: Host) -> list[tuple[str, str, dict[str, Any]]]:
    rows = sorted(host.rows(host.credits.AuditLog), key=lambda row: row["id"])
    return [(row["actor"], row["action"], row["details"]) for row in rows]


def sync_by_hand(host: Host) -> None:
    table = host.state.models.table(host.credits.Package)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).values(stripe_price_id="price_1"))


def test_a_package_is_made_with_its_line_in_the_audit_log(host: Host) -> None:
    change = create(host)
    assert (change.kind, change.fields["credits"]) == ("created", (None, 9_000))
    row = gold(host)
    assert {name: row[name] for name in GOLD} == GOLD
    assert (row["is_active"], row["display_order"], row["description"]) == (True, 0, None)
    ((actor, action, details),) = audit(host)
    assert (actor, action, details["before"]) == ("ann", "package.created", None)
    assert details["after"]["unit_amount"] == 7_000


def test_making_it_again_changes_nothing_and_another_one_is_refused(host: Host) -> None:
    create(host)
    before, trail = gold(host), audit(host)
    assert create(host).kind == "unchanged"
    with pytest.raises(PackageExists, match="'gold'"):
        create(host, credits=1)
    assert (gold(host), audit(host)) == (before, trail)


def test_an_edit_tells_what_changed_and_only_that(host: Host) -> None:
    create(host)
    change = edit(host, credits=9_500, package_name="Gold Pack", description="", display_order=7)
    assert change.fields == {"credits": (9_000, 9_500), "display_order": (0, 7)}
    assert audit(host)[1] == (
        "bob",
        "package.updated",
        {
            "package_code": "gold",
            "before": {"credits": 9_000, "display_order": 0},
            "after": {"credits": 9_500, "display_order": 7},
        },
    )
    row, trail = gold(host), audit(host)
    assert edit(host, credits=9_500, display_order=7).kind == "unchanged"
    assert (gold(host), audit(host)) == (row, trail)


@pytest.mark.parametrize("changed", [{"unit_amount": 7_100}, {"currency": "usd"}])
def test_another_price_or_currency_takes_the_stripe_price_away_until_the_next_sync(
    host: Host, changed: dict[str, Any]
) -> None:
    create(host)
    sync_by_hand(host)
    assert edit(host, credits=1, package_name="New").fields.keys() == {"credits", "package_name"}
    assert gold(host)["stripe_price_id"] == "price_1"
    assert edit(host, **changed).fields["stripe_price_id"] == ("price_1", None)
    assert gold(host)["stripe_price_id"] is None
    assert audit(host)[-1][2]["before"]["stripe_price_id"] == "price_1"


def test_a_package_goes_off_sale_and_on_sale_again(host: Host) -> None:
    create(host)
    for act, active in ((deactivate_package, False), (activate_package, True)):
        for kind in ("updated", "unchanged"):
            with host.app.app_context():
                assert act(host.state, "gold", actor="bob").kind == kind
            assert gold(host)["is_active"] is active
    assert [details["after"] for _, _, details in audit(host)[1:]] == [
        {"is_active": False},
        {"is_active": True},
    ]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"package_code": "silver"}, "package_code can't be changed: it names the package for ever"),
    ({"package_name": " "}, "package_name must be text of 1 to 250 characters"),
    ({"credits": 0}, "credits must be a whole number from 1 to"),
    ({"credits": True}, "credits must be a whole number from 1 to"),
    ({"unit_amount": 10.5}, "unit_amount must be a whole number of minor units"),
    ({"unit_amount": None}, "unit_amount must be a whole number of minor units"),
    ({"currency": "USD"}, "currency must be three lower-case letters, like usd, not 'USD'"),
    ({"currency": "bhd", "unit_amount": 7_001}, "unit_amount must be a multiple of 10 in bhd"),
    ({"discount_percentage": 101}, "discount_percentage must be a whole number from 0 to 100"),
    ({"is_active": "yes"}, "is_active must be true or false, not 'yes'"),
    ({"display_order": -1}, "display_order must be a whole number from 0 to 1,000,000"),
    ({"description": "x" * 5_001}, "description must be text of at most 5,000 characters"),
    ({"price_usd": 1}, "'price_usd' is no field of a package; these are: package_name"),
    ({"stripe_price_id": "price_2"}, "'stripe_price_id' is no field of a package"),
]


@pytest.mark.parametrize(("wrong", "told"), WRONG)
def test_what_is_wrong_is_named_with_what_is_right_and_nothing_is_kept(
    sqlite_host: Host, wrong: dict[str, Any], told: str
) -> None:
    create(sqlite_host)
    before, trail = gold(sqlite_host), audit(sqlite_host)
    with pytest.raises(InvalidPackage) as caught:
        edit(sqlite_host, **({"credits": 5} | wrong))
    (problem,) = caught.value.problems.values()
    assert problem.startswith(told)
    assert (gold(sqlite_host), audit(sqlite_host)) == (before, trail)


def test_one_half_of_a_price_is_judged_with_the_other_half_that_stays(sqlite_host: Host) -> None:
    create(sqlite_host, unit_amount=7_010)
    edit(sqlite_host, currency="bhd")
    with pytest.raises(InvalidPackage, match="unit_amount must be a multiple of 10 in bhd"):
        edit(sqlite_host, unit_amount=7_005)
    with pytest.raises(InvalidPackage, match="unit_amount must be a multiple of 100 in isk"):
        edit(sqlite_host, currency="isk")
    assert edit(sqlite_host, currency="isk", unit_amount=7_100).kind == "updated"


def test_every_mistake_of_a_new_package_is_named(sqlite_host: Host) -> None:
    with sqlite_host.app.app_context(), pytest.raises(InvalidPackage) as caught:
        create_package(sqlite_host.state, {"credits": "many", "gift": 1}, actor="ann")
    assert list(caught.value.problems) == [
        "gift",
        "credits",
        "package_code",
        "package_name",
        "unit_amount",
        "currency",
    ]
    assert sqlite_host.rows(sqlite_host.credits.Package) == []


@pytest.mark.parametrize("code", ["silver", "GOLD", "", "gold\x00", "\ud800"])
def test_no_such_package_is_named(sqlite_host: Host, code: str) -> None:
    host = sqlite_host
    create(host)
    with host.app.app_context(), pytest.raises(NoSuchPackage, match="packages list"):
        edit_package(host.state, code, {"credits": 1}, actor="bob")


def together(host: Host, *works: Any) -> None:
    barrier = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def run(work: Any) -> None:
        try:
            with host.app.app_context():
                barrier.wait()
                work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_edits_at_the_same_time_lose_nothing_of_each_other(host: Host) -> None:
    create(host)

    def add_one() -> None:
        for _ in range(5):
            edit_package(
                host.state, "gold", lambda row: {"credits": row["credits"] + 1}, actor="bob"
            )

    together(host, *[add_one] * 4)
    assert gold(host)["credits"] == 9_020
    changes = [details for _, _, details in audit(host)[1:]]
    before_and_after = [(one["before"]["credits"], one["after"]["credits"]) for one in changes]
    assert sorted(before_and_after) == [(n, n + 1) for n in range(9_000, 9_020)]


def test_edits_beside_loads_and_creations_neither_lose_nor_hang(host: Host) -> None:
    specs = parse_packages(default_catalog())

    def load() -> None:
        for _ in range(5):
            in_transaction(host.state, lambda uow: load_packages(uow, specs, actor="cli"))

    def edit_and_create() -> None:
        for number in range(5):
            create_package(host.state, GOLD | {"package_code": f"g{number}"}, actor="ann")
            edit_package(host.state, "starter", {"credits": 1_001 + number}, actor="bob")

    with host.app.app_context():
        load()
    together(host, load, edit_and_create, edit_and_create)
    log = [details for _, _, details in audit(host) if details["package_code"] == "starter"]
    values = [entry["before"]["credits"] for entry in log[1:]]
    # Each change starts from what the one before it left.
    assert values == [entry["after"]["credits"] for entry in log[:-1]]
    (starter,) = host.rows(host.credits.Package, package_code="starter")
    assert starter["credits"] == log[-1]["after"]["credits"]
    assert len(host.rows(host.credits.Package)) == 9


def test_a_load_waits_for_an_edit_and_neither_is_tried_again(
    postgres_host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    host = postgres_host
    create(host)
    specs = [PackageSpec(**GOLD | {"credits": 5})]

    def load() -> None:
        with host.app.app_context():
            in_transaction(host.state, lambda uow: load_packages(uow, specs, actor="cli"))

    loading = threading.Thread(target=load)

    def slow(row: Any) -> dict[str, Any]:
        loading.start()
        waiting = sa.text(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database "
            "WHERE NOT granted AND datname = current_database()"
        )
        while True:
            with host.db.engine.connect() as connection:
                if connection.scalar(waiting):
                    return {"credits": row["credits"] + 1}

    with host.app.app_context():
        edit_package(host.state, "gold", slow, actor="bob")
    loading.join()
    assert [details["after"]["credits"] for _, _, details in audit(host)] == [9_000, 9_001, 5]
    assert "tried again" not in caplog.text


def test_a_buyer_is_not_kept_waiting_by_an_edit(postgres_database_url: str) -> None:
    """A purchase refers to the package's row while somebody edits it."""
    host = make_host(f"{postgres_database_url}&options=-clock_timeout%3D2000")
    create(host)
    package_id = gold(host)["id"]

    def slow(row: Any) -> dict[str, Any]:
        host.add_purchase(package_id=package_id, package_code="gold")
        return {"credits": row["credits"] + 1}

    with host.app.app_context():
        edit_package(host.state, "gold", slow, actor="bob")
    assert len(host.purchases(package_id=package_id)) == 1
