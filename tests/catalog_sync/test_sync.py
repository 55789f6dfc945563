from __future__ import annotations

from typing import Any

import pytest

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host, make_host
from ..payloads import new_api_key
from .shelves import (
    CODES,
    applied,
    at_stripe,
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


@on_sqlite
def test_the_plan_tells_what_would_be_done_and_does_nothing(host: Host, sandbox: Sandbox) -> None:
    before = host.rows(host.credits.Package)
    for arguments in ([], ["--plan"]):
        result = sync(host, *arguments)
        assert result.exit_code == 2
        assert result.output.splitlines() == [
            "Stripe in test mode, site local",
            "starter: create product, create price $10.00",
            "standard: create product, create price $45.00",
            "pro: create product, create price $80.00",
            "enterprise: create product, create price $350.00",
            "4 to sync: run `flask credits sync --apply`",
        ]
    assert at_stripe(sandbox, "product") == at_stripe(sandbox, "price") == []
    assert host.rows(host.credits.Package) == before


def test_applying_makes_products_and_prices_and_stores_their_ids(
    host: Host, sandbox: Sandbox
) -> None:
    assert applied(host)[1] == "starter: create product, create price $10.00: done"
    products = {product["id"]: product for product in at_stripe(sandbox, "product")}
    prices = {price["id"]: price for price in at_stripe(sandbox, "price")}
    assert len(products) == len(prices) == 4
    for code in CODES:
        row = row_of(host, code)
        product, price = products[row["stripe_product_id"]], prices[row["stripe_price_id"]]
        marks = {"flask_stripe_credits": "local", "package_code": code}
        assert product["metadata"] == price["metadata"] == marks
        assert (product["name"], product["description"]) == (
            row["package_name"],
            row["description"],
        )
        assert (price["unit_amount"], price["currency"]) == (row["unit_amount"], row["currency"])
        key = f"credits:local:{code}:usd:{row['unit_amount']}"
        assert (price["product"], price["lookup_key"]) == (product["id"], key)


@on_sqlite
def test_what_is_in_sync_is_left_alone(host: Host, sandbox: Sandbox) -> None:
    applied(host)
    rows, events = host.rows(host.credits.Package), at_stripe(sandbox, "event")
    expected = ["Stripe in test mode, site local", *(f"{code}: in sync" for code in CODES)]
    assert applied(host) == expected
    result = sync(host)
    assert (result.exit_code, result.output.splitlines()) == (0, expected)
    assert host.rows(host.credits.Package) == rows
    assert at_stripe(sandbox, "event") == events


def test_what_stripe_already_has_is_adopted_and_not_made_twice(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    before = host.rows(host.credits.Package)
    for code in CODES:
        change(host, code, stripe_product_id=None, stripe_price_id=None)
    starter = before[0]
    assert applied(host)[1] == (
        f"starter: adopt product {starter['stripe_product_id']}, "
        f"adopt price {starter['stripe_price_id']}: done"
    )
    ids = ("package_code", "stripe_product_id", "stripe_price_id")
    after = host.rows(host.credits.Package)
    assert [[row[name] for name in ids] for row in after] == [
        [row[name] for name in ids] for row in before
    ]
    assert len(at_stripe(sandbox, "product")) == len(at_stripe(sandbox, "price")) == 4


@pytest.mark.parametrize("path", ["/v1/products", "/v1/prices"])
def test_a_run_that_died_before_the_answer_is_healed_by_the_next(
    host: Host, sandbox: Sandbox, path: str
) -> None:
    for _ in range(3):
        sandbox.faults.next(f"POST {path}", reset=True, after_work=True)
    result = sync(host, "--apply")
    assert result.exit_code == 1
    problem = (
        "Stripe is not available (APIConnectionError): "
        f"no answer from STRIPE_CREDITS_API_BASE, {sandbox.url}"
    )
    assert result.stderr == f"Error: {problem}\n"
    steps = "create product, create price $10.00"
    assert told(result.stdout.splitlines(), "starter") == f"{steps}: FAILED: {problem}"
    applied(host)
    assert in_sync(host)
    assert len(at_stripe(sandbox, "product")) == len(at_stripe(sandbox, "price")) == 4


def test_every_id_is_committed_as_soon_as_it_is_known(host: Host, sandbox: Sandbox) -> None:
    for _ in range(3):
        sandbox.faults.next("POST /v1/prices", status=500)
    assert sync(host, "--apply").exit_code == 1
    starter = row_of(host, "starter")
    assert starter["stripe_product_id"]
    assert starter["stripe_price_id"] is None
    assert row_of(host, "pro")["stripe_product_id"] is None
    applied(host)
    assert len(at_stripe(sandbox, "product")) == len(at_stripe(sandbox, "price")) == 4


@on_sqlite
def test_a_package_that_stripe_rejects_does_not_keep_the_others_waiting(
    host: Host, sandbox: Sandbox
) -> None:
    sandbox.faults.next("POST /v1/products", status=400)
    result = sync(host, "--apply")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    # The request's id, to look it up in the Dashboard.
    assert "FAILED: Stripe rejected the request: " in told(lines, "starter")
    assert "(request req_" in told(lines, "starter")
    assert lines[-1] == "1 failed"
    assert [bool(row_of(host, code)["stripe_price_id"]) for code in CODES] == [False] + [True] * 3
    applied(host)
    assert in_sync(host)


@on_sqlite
def test_an_answer_of_5xx_does_not_stand_in_the_way_of_the_next_run(
    host: Host, sandbox: Sandbox
) -> None:
    for path in ("/v1/products", "/v1/prices"):
        for _ in range(3):
            sandbox.faults.next(f"POST {path}", status=500)
        assert sync(host, "--apply").exit_code == 1
    applied(host)
    assert in_sync(host)


@pytest.mark.parametrize("path", ["/v1/products", "/v1/prices"])
def test_no_transaction_is_open_while_stripe_is_called(
    host: Host, sandbox: Sandbox, path: str
) -> None:
    sandbox.faults.next(
        f"POST {path}", before_reply=lambda _: change(host, "starter", display_order=7)
    )
    applied(host)
    assert row_of(host, "starter")["display_order"] == 7
    assert in_sync(host)


def test_a_price_that_changed_meanwhile_does_not_get_the_old_price_id(
    host: Host, sandbox: Sandbox
) -> None:
    sandbox.faults.next(
        "POST /v1/prices", before_reply=lambda _: change(host, "starter", unit_amount=1_200)
    )
    applied(host)
    assert row_of(host, "starter")["stripe_price_id"] is None
    assert "starter: create price $12.00" in sync(host).output
    applied(host)
    prices = {price["id"]: price for price in at_stripe(sandbox, "price")}
    assert prices[row_of(host, "starter")["stripe_price_id"]]["unit_amount"] == 1_200


def test_another_price_gets_another_price_object_and_the_old_one_is_archived(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    old = row_of(host, "pro")
    packages(host, "edit", "pro", "--price", "90")
    steps = f"create price $90.00, archive price {old['stripe_price_id']} ($80.00)"
    assert planned(host, "pro") == steps
    assert told(applied(host), "pro") == f"{steps}: done"
    new = row_of(host, "pro")
    assert new["stripe_product_id"] == old["stripe_product_id"]
    assert one(sandbox, "price", new["stripe_price_id"])["unit_amount"] == 9_000
    assert not one(sandbox, "price", old["stripe_price_id"])["active"]
    assert in_sync(host)


@on_sqlite
def test_the_price_of_before_is_taken_into_use_again(host: Host, sandbox: Sandbox) -> None:
    applied(host)
    first = row_of(host, "pro")["stripe_price_id"]
    packages(host, "edit", "pro", "--price", "90")
    applied(host)
    second = row_of(host, "pro")["stripe_price_id"]
    packages(host, "edit", "pro", "--price", "80")
    assert told(applied(host), "pro") == (
        f"adopt price {first}, activate price {first}, archive price {second} ($90.00): done"
    )
    assert row_of(host, "pro")["stripe_price_id"] == first
    assert len(at_stripe(sandbox, "price")) == 5
    assert in_sync(host)


@on_sqlite
def test_another_name_or_description_reaches_the_product(host: Host, sandbox: Sandbox) -> None:
    applied(host)
    price_id = row_of(host, "pro")["stripe_price_id"]
    packages(host, "edit", "pro", "--name", "Pro Größe 👩‍💻", "--description", "Zeile 1\nZeile 2")
    assert told(applied(host), "pro") == (
        'change product\'s name "Pro Pack" -> "Pro Größe 👩\\u200d💻", '
        'change product\'s description "Best value for power users" -> "Zeile 1\\nZeile 2": done'
    )
    assert in_sync(host)
    packages(host, "edit", "pro", "--description", "")
    assert told(applied(host), "pro") == (
        'change product\'s description "Zeile 1\\nZeile 2" -> "": done'
    )
    assert in_sync(host)
    row = row_of(host, "pro")
    product = one(sandbox, "product", row["stripe_product_id"])
    assert product["name"] == "Pro Größe 👩‍💻"
    assert not product["description"]
    assert row["stripe_price_id"] == price_id


@on_sqlite
def test_ids_of_another_account_are_replaced(host: Host, sandbox: Sandbox) -> None:
    change(host, "starter", stripe_product_id="prod_other", stripe_price_id="price_other")
    assert told(applied(host), "starter") == (
        "create product, create price $10.00 (price_other is no price of this product): done"
    )
    assert in_sync(host)


@on_sqlite
def test_a_product_that_the_host_chose_is_kept_marked_and_gets_a_price_of_its_own(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    before = row_of(host, "pro")["stripe_price_id"]
    theirs = dashboard(sandbox).v1.products.create({"name": "Pro Pack"})
    change(host, "pro", stripe_product_id=theirs.id)
    done = told(applied(host), "pro")
    assert "description" in done
    assert done.endswith(
        f"mark product {theirs.id} as ours, "
        f"create price $80.00 ({before} is no price of this product): done"
    )
    price = one(sandbox, "price", row_of(host, "pro")["stripe_price_id"])
    assert price["product"] == row_of(host, "pro")["stripe_product_id"] == theirs.id
    assert in_sync(host)
    # From now on its marks lead to it.
    change(host, "pro", stripe_product_id=None, stripe_price_id=None)
    assert f"adopt price {price['id']}" in planned(host, "pro")


@on_sqlite
def test_installations_share_an_account_without_touching_each_other(
    host: Host, sandbox: Sandbox, new_database: Any
) -> None:
    applied(host)
    events = len(at_stripe(sandbox, "event"))
    staging = make_host(
        new_database("sqlite"),
        STRIPE_CREDITS_API_BASE=sandbox.url,
        STRIPE_CREDITS_SITE="staging.example.com",
    )
    staging.load_packages()
    for code in CODES:
        # As in a copy of the other installation's database.
        ids = {n: row_of(host, code)[n] for n in ("stripe_product_id", "stripe_price_id")}
        change(staging, code, **ids, package_name=f"Staging {code}")
    assert told(applied(staging), "starter").startswith("create product, create price $10.00 (")
    products = at_stripe(sandbox, "product")
    assert len(products) == len(at_stripe(sandbox, "price")) == 8
    assert {p["metadata"]["flask_stripe_credits"] for p in products[4:]} == {"staging.example.com"}
    assert [p["name"] for p in products[:4]] == [
        row_of(host, code)["package_name"] for code in CODES
    ]
    assert len(at_stripe(sandbox, "event")) == events + 8
    assert in_sync(host)
    assert in_sync(staging)


@on_sqlite
def test_without_packages_it_says_what_to_run(host: Host) -> None:
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(host.state.models.table(host.credits.Package).delete())
    result = sync(host)
    assert result.exit_code == 0
    assert result.output.endswith("there are no packages: run `flask credits packages load`\n")


@on_sqlite
def test_our_product_is_found_among_more_than_a_page_of_others(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    product_id = row_of(host, "pro")["stripe_product_id"]
    (product,) = (p for p in at_stripe(sandbox, "product") if p["id"] == product_id)
    for number in range(120):
        sandbox.store.add({**product, "id": f"prod_{number}", "metadata": {}})
    change(host, "pro", stripe_product_id=None)
    assert f"pro: adopt product {product_id}: done" in applied(host)


@on_sqlite
def test_F25_a_live_key_needs_live_and_a_test_key_refuses_it(
    database_url: str, sandbox: Sandbox
) -> None:
    live = make_host(
        database_url,
        STRIPE_SECRET_KEY=new_api_key("live"),
        STRIPE_CREDITS_API_BASE=sandbox.url,
    )
    live.load_packages()
    refused = sync(live, "--apply")
    assert refused.exit_code == 1
    assert "Stripe in live mode" in refused.stdout
    assert refused.stderr == "Error: the API key is a live key: add --live if that is meant\n"
    assert at_stripe(sandbox, "product") == []


@on_sqlite
def test_F25_live_with_a_test_key_is_refused(host: Host, sandbox: Sandbox) -> None:
    refused = sync(host, "--apply", "--live")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: --live was given, but the API key is a test key\n"
    assert at_stripe(sandbox, "product") == []


@on_sqlite
@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"STRIPE_SECRET_KEY": "sk_test_placeholder"}, "STRIPE_SECRET_KEY is a placeholder"),
        ({"STRIPE_SECRET_KEY": ""}, "STRIPE_SECRET_KEY isn't set"),
        (
            {},
            "Stripe is not available (APIConnectionError): "
            "no answer from STRIPE_CREDITS_API_BASE, http://127.0.0.1:9",
        ),
    ],
)
def test_trouble_with_the_key_or_the_network_is_one_readable_line(
    database_url: str, config: dict[str, Any], error: str
) -> None:
    host = make_host(database_url, **config)
    host.load_packages()
    for arguments in ([], ["--apply"]):
        result = sync(host, *arguments)
        assert result.exit_code == 1
        assert result.stderr == f"Error: {error}\n"


@on_sqlite
def test_a_refused_key_is_one_readable_line(host: Host, sandbox: Sandbox) -> None:
    sandbox.faults.next("GET /v1/products*", status=401)
    result = sync(host)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert host.state.settings.require_secret_key().reveal() not in result.output
