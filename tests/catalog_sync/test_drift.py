"""What somebody changed in the Dashboard, or by SQL, is noticed and set right."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from .shelves import (
    CODES,
    REFUSED,
    applied,
    at_stripe,
    audited,
    change,
    dashboard,
    in_sync,
    on_sqlite,
    one,
    packages,
    planned,
    row_of,
    sync,
    told,
)

pytestmark = on_sqlite


@pytest.fixture
def host(host: Host) -> Host:
    """Everything is in sync, and then somebody comes along."""
    applied(host)
    return host


def test_a_product_that_was_renamed_archived_or_stripped_of_its_marks_is_set_right(
    host: Host, sandbox: Sandbox
) -> None:
    product_id = row_of(host, "pro")["stripe_product_id"]
    edits: Any = {"name": "Free Money", "metadata": {"flask_stripe_credits": ""}}
    dashboard(sandbox).v1.products.update(product_id, edits)
    result = sync(host)
    assert (result.exit_code, REFUSED in result.output) == (2, False)
    dashboard(sandbox).v1.products.update(product_id, {"active": False})
    assert REFUSED in sync(host).output
    assert planned(host, "pro") == (
        f'activate product {product_id}, change product\'s name "Free Money" -> "Pro Pack", '
        f"mark product {product_id} as ours"
    )
    applied(host)
    product = one(sandbox, "product", product_id)
    assert (product["name"], product["active"]) == ("Pro Pack", True)
    assert product["metadata"] == {"flask_stripe_credits": "local", "package_code": "pro"}
    assert in_sync(host)


def test_a_price_that_was_archived_is_taken_into_use_again(host: Host, sandbox: Sandbox) -> None:
    price_id = row_of(host, "pro")["stripe_price_id"]
    dashboard(sandbox).v1.prices.update(price_id, {"active": False})
    assert planned(host, "pro") == f"activate price {price_id}"
    assert one_of(sync(host, "--json").stdout, "pro")["refuses_buyers"]
    applied(host)
    assert one(sandbox, "price", price_id)["active"]
    assert len(at_stripe(sandbox, "price")) == 4
    assert in_sync(host)


@pytest.mark.parametrize(
    ("values", "due"),
    [
        ({"unit_amount": 9_000}, "create price $90.00 ({price} is $80.00), archive price {price}"),
        ({"currency": "eur"}, "create price €80.00 ({price} is $80.00), archive price {price}"),
        ({"stripe_price_id": None}, "adopt price {price}"),
        ({"stripe_product_id": None}, "adopt product {product}"),
        ({"package_name": "New"}, 'change product\'s name "Pro Pack" -> "New"'),
    ],
)
def test_a_row_that_was_changed_by_sql_no_longer_fits_and_that_is_told(
    host: Host, values: dict[str, Any], due: str
) -> None:
    row = row_of(host, "pro")
    change(host, "pro", **values)
    ids = {"price": row["stripe_price_id"], "product": row["stripe_product_id"]}
    assert planned(host, "pro").startswith(due.format(**ids))
    applied(host)
    assert in_sync(host)


def test_the_price_of_another_package_is_not_taken_for_ours(host: Host, sandbox: Sandbox) -> None:
    wrong = row_of(host, "enterprise")["stripe_price_id"]
    right = row_of(host, "pro")["stripe_price_id"]
    change(host, "pro", stripe_price_id=wrong)
    assert planned(host, "pro") == (f"adopt price {right} ({wrong} is no price of this product)")
    applied(host)
    assert row_of(host, "pro")["stripe_price_id"] == right
    assert one(sandbox, "price", wrong)["active"]


def test_a_recurring_price_fits_no_package(host: Host, sandbox: Sandbox) -> None:
    right = row_of(host, "pro")
    price = one(sandbox, "price", right["stripe_price_id"])
    sandbox.store.save({**price, "type": "recurring", "lookup_key": None})
    assert planned(host, "pro").startswith(f"create price $80.00 ({price['id']} is no plain price)")
    applied(host)
    assert in_sync(host)


def test_prices_of_others_on_our_product_are_left_alone(host: Host, sandbox: Sandbox) -> None:
    product_id = row_of(host, "pro")["stripe_product_id"]
    theirs = dashboard(sandbox).v1.prices.create(
        {"product": product_id, "currency": "usd", "unit_amount": 8_000}
    )
    packages(host, "edit", "pro", "--price", "70")
    applied(host)
    assert one(sandbox, "price", theirs.id)["active"]
    assert in_sync(host)


def test_products_made_by_hand_are_adopted_by_their_package_code_with_the_price_that_fits(
    host: Host, sandbox: Sandbox
) -> None:
    at_hand = dashboard(sandbox).v1
    packages(host, "load", "-", stdin=GOLD)
    gold = at_hand.products.create({"name": "Gold Pack", "metadata": {"package_code": "gold"}})
    ten, nine = (
        at_hand.prices.create({"product": gold.id, "currency": "usd", "unit_amount": amount})
        for amount in (1_000, 900)
    )
    assert told(applied(host), "gold") == (
        f"adopt product {gold.id}, mark product {gold.id} as ours, create price $9.99: done"
    )
    packages(host, "edit", "gold", "--price", "9")
    price_id = row_of(host, "gold")["stripe_price_id"]
    assert price_id is None
    assert f"adopt price {nine.id}, mark price {nine.id} as ours" in planned(host, "gold")
    applied(host)
    assert in_sync(host)
    assert one(sandbox, "price", ten.id)["active"]


GOLD = """
[[packages]]
package_code = "gold"
package_name = "Gold Pack"
credits = 9000
unit_amount = 999
currency = "usd"
"""


def test_the_price_of_our_lookup_key_leads_to_a_product_that_lost_its_marks(
    host: Host, sandbox: Sandbox
) -> None:
    at_hand = dashboard(sandbox).v1
    theirs = at_hand.products.create({"name": "Pro Pack"})
    change(host, "pro", stripe_product_id=theirs.id)
    applied(host)
    at_hand.products.update(theirs.id, {"metadata": ""})
    price_id = row_of(host, "pro")["stripe_price_id"]
    change(host, "pro", stripe_product_id=None, stripe_price_id=None)
    assert planned(host, "pro") == (
        f"adopt product {theirs.id}, mark product {theirs.id} as ours, adopt price {price_id}"
    )
    applied(host)
    assert in_sync(host)


def test_a_product_without_marks_and_prices_is_known_by_its_id(
    host: Host, sandbox: Sandbox
) -> None:
    pro = row_of(host, "pro")
    dashboard(sandbox).v1.products.update(pro["stripe_product_id"], {"metadata": ""})
    sandbox.store.remove(pro["stripe_price_id"])
    change(host, "pro", stripe_product_id=None, stripe_price_id=None)
    assert planned(host, "pro").startswith(f"adopt product {pro['stripe_product_id']}, mark")
    applied(host)
    assert row_of(host, "pro")["stripe_product_id"] == pro["stripe_product_id"]
    assert in_sync(host)


def test_the_lookup_key_comes_back_from_a_price_that_cannot_be_used(
    host: Host, sandbox: Sandbox
) -> None:
    """Somebody moved our product's price to where it doesn't fit."""
    pro = row_of(host, "pro")
    theirs = dashboard(sandbox).v1.products.create({"name": "Theirs", "metadata": {"a": "b"}})
    price = one(sandbox, "price", pro["stripe_price_id"])
    sandbox.store.save({**price, "product": theirs.id})
    applied(host)
    new = one(sandbox, "price", row_of(host, "pro")["stripe_price_id"])
    assert (new["lookup_key"], new["product"]) == (price["lookup_key"], pro["stripe_product_id"])
    assert one(sandbox, "price", price["id"])["lookup_key"] is None
    assert in_sync(host)


def test_who_synced_what_is_in_the_audit_log(host: Host) -> None:
    packages(host, "edit", "pro", "--price", "90", "--name", "Pro")
    applied(host, "--by", "ann")
    (done,) = (act for act in audited(host, "package.sync") if act["by"] == "ann")
    assert done["package_code"] == "pro"
    assert done["steps"][:2] == [
        'change product\'s name "Pro Pack" -> "Pro"',
        "create price $90.00",
    ]
    (stored,) = (act for act in audited(host, "package.updated") if act["by"] == "ann")
    new = row_of(host, "pro")["stripe_price_id"]
    assert (stored["before"], stored["after"]) == (
        {"stripe_price_id": None},
        {"stripe_price_id": new},
    )
    count = len(host.rows(host.credits.AuditLog))
    applied(host)
    assert len(host.rows(host.credits.AuditLog)) == count


def test_machines_get_an_object_a_line(host: Host) -> None:
    packages(host, "edit", "pro", "--price", "90")
    old = one_of(sync(host, "--json").stdout, "pro")
    assert (old["result"], old["refuses_buyers"]) == ("to_sync", False)
    assert old["steps"][0] == "create price $90.00"
    done = sync(host, "--json", "--apply")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["result"] for line in lines[:-1]] == ["in_sync", "in_sync", "synced", "in_sync"]
    assert lines[-1] == {
        "in_sync": 3,
        "to_sync": 0,
        "synced": 1,
        "failed": 0,
        "applied": True,
        "livemode": False,
        "site": "local",
        "finished": True,
    }
    assert done.stderr == ""


def one_of(output: str, code: str) -> dict[str, Any]:
    lines = [json.loads(line) for line in output.splitlines()]
    (found,) = (line for line in lines if line.get("package_code") == code)
    return dict(found)


def test_a_run_that_stripe_interrupts_says_how_far_it_came(host: Host, sandbox: Sandbox) -> None:
    for _ in range(3):
        sandbox.faults.next("GET /v1/prices", status=500)
    result = sync(host, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout.splitlines()[-1])["finished"] is False
    assert "(request req_" in result.stderr


def test_a_long_run_tells_how_far_it_is(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_stripe_credits.cli.sync.PROGRESS_EVERY_SECONDS", -1.0)
    result = sync(host)
    assert result.stderr.splitlines() == [f"{n} of 4 packages" for n in (1, 2, 3, 4)]
    assert len(result.stdout.splitlines()) == 1 + len(CODES)
