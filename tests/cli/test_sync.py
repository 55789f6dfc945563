from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result

from flask_stripe_credits.catalog import sync as sync_module
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host, make_host
from ..payloads import new_api_key

CODES = ["starter", "standard", "pro", "enterprise"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox().start(deliver=False) as started:
        yield started


@pytest.fixture
def host(database_url: str, sandbox: Sandbox) -> Host:
    host = make_host(database_url, STRIPE_CREDITS_API_BASE=sandbox.url)
    host.load_packages()
    return host


def sync(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "sync", *arguments])


def applied(host: Host) -> list[str]:
    result = sync(host, "--apply")
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def in_sync(host: Host) -> bool:
    return sync(host).exit_code == 0


def at_stripe(sandbox: Sandbox, kind: str) -> list[dict[str, Any]]:
    return list(reversed(list(sandbox.store.find(kind))))


def row_of(host: Host, code: str) -> dict[str, Any]:
    (row,) = host.rows(host.credits.Package, package_code=code)
    return row


def change(host: Host, code: str, **values: Any) -> None:
    table = host.state.models.table(host.credits.Package)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.package_code == code).values(values))


def load(host: Host, code: str, **values: Any) -> None:
    """Load a file that holds one package only."""
    row = row_of(host, code)
    names = ("package_code", "package_name", "description", "credits", "unit_amount", "currency")
    table = {name: row[name] for name in names} | values
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in table.items()]
    result = host.app.test_cli_runner().invoke(
        args=["credits", "packages", "load", "-"],
        input="\n".join(["[[packages]]", *lines]).encode(),
    )
    assert result.exit_code == 0, result.output


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
        assert (price["product"], price["lookup_key"]) == (product["id"], f"credits:local:{code}")


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
    assert result.stderr == (
        "Error: starter: Stripe is not available (APIConnectionError): "
        f"no answer from STRIPE_CREDITS_API_BASE, {sandbox.url}\n"
    )
    applied(host)
    assert in_sync(host)
    assert len(at_stripe(sandbox, "product")) == len(at_stripe(sandbox, "price")) == 4


def test_every_id_is_committed_as_soon_as_it_is_known(host: Host, sandbox: Sandbox) -> None:
    def fail_the_second(_: Any) -> None:
        sandbox.faults.next("POST /v1/prices", status=400)

    sandbox.faults.next("POST /v1/prices", before_reply=fail_the_second)
    result = sync(host, "--apply")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: standard: Stripe rejected the request")
    assert result.stderr.count("\n") == 1
    assert row_of(host, "starter")["stripe_price_id"]
    standard = row_of(host, "standard")
    assert standard["stripe_product_id"]
    assert standard["stripe_price_id"] is None
    assert row_of(host, "pro")["stripe_product_id"] is None
    applied(host)
    assert len(at_stripe(sandbox, "product")) == len(at_stripe(sandbox, "price")) == 4


def test_an_error_that_stripe_keeps_under_its_key_passes_in_time(
    host: Host, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.faults.next("POST /v1/products", status=500)
    assert sync(host, "--apply").exit_code == 1
    later = time.time() + sync_module.KEY_SECONDS
    monkeypatch.setattr(sync_module, "time", lambda: later)
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


def test_another_price_gets_another_price_object_and_takes_the_lookup_key_along(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    old = row_of(host, "pro")
    load(host, "pro", unit_amount=9_000)
    assert "pro: create price $90.00: done" in applied(host)
    new = row_of(host, "pro")
    assert new["stripe_product_id"] == old["stripe_product_id"]
    prices = {price["id"]: price for price in at_stripe(sandbox, "price")}
    assert prices[new["stripe_price_id"]]["unit_amount"] == 9_000
    assert prices[new["stripe_price_id"]]["lookup_key"] == "credits:local:pro"
    assert prices[old["stripe_price_id"]]["lookup_key"] is None
    load(host, "pro", unit_amount=8_000)
    applied(host)
    prices = {price["id"]: price for price in at_stripe(sandbox, "price")}
    back = prices[row_of(host, "pro")["stripe_price_id"]]
    assert (back["unit_amount"], back["active"]) == (8_000, True)
    assert in_sync(host)


def test_another_name_or_description_reaches_the_product(host: Host, sandbox: Sandbox) -> None:
    applied(host)
    price_id = row_of(host, "pro")["stripe_price_id"]
    load(host, "pro", package_name="Pro Größe 👩‍💻", description="Zeile 1\nZeile 2")
    assert "pro: update product's name, description: done" in applied(host)
    assert in_sync(host)
    load(host, "pro", description="")
    assert "pro: update product's description: done" in applied(host)
    assert in_sync(host)
    row = row_of(host, "pro")
    (product,) = (p for p in at_stripe(sandbox, "product") if p["id"] == row["stripe_product_id"])
    assert product["name"] == "Pro Größe 👩‍💻"
    assert not product["description"]
    assert row["stripe_price_id"] == price_id


def test_ids_of_another_account_are_replaced(host: Host, sandbox: Sandbox) -> None:
    change(host, "starter", stripe_product_id="prod_other", stripe_price_id="price_other")
    assert applied(host)[1] == "starter: create product, create price $10.00: done"
    assert in_sync(host)


def test_a_product_that_the_host_chose_is_kept_and_gets_a_price_of_its_own(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    (theirs,) = (p for p in at_stripe(sandbox, "product") if p["name"] == "Pro Pack")
    sandbox.store.add({**theirs, "id": "prod_theirs", "metadata": {}})
    change(host, "pro", stripe_product_id="prod_theirs")
    assert "pro: create price $80.00: done" in applied(host)
    price_id = row_of(host, "pro")["stripe_price_id"]
    (price,) = (one for one in at_stripe(sandbox, "price") if one["id"] == price_id)
    assert price["product"] == row_of(host, "pro")["stripe_product_id"] == "prod_theirs"
    assert in_sync(host)


def test_what_was_archived_at_stripe_is_taken_into_use_or_replaced(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    pro = row_of(host, "pro")
    for kind, name in (("product", "stripe_product_id"), ("price", "stripe_price_id")):
        (found,) = (one for one in at_stripe(sandbox, kind) if one["id"] == pro[name])
        sandbox.store.save({**found, "active": False})
    assert "pro: update product's active, create price $80.00: done" in applied(host)
    assert row_of(host, "pro")["stripe_product_id"] == pro["stripe_product_id"]
    assert row_of(host, "pro")["stripe_price_id"] != pro["stripe_price_id"]
    assert in_sync(host)


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
    assert applied(staging)[1] == "starter: create product, create price $10.00: done"
    products = at_stripe(sandbox, "product")
    assert len(products) == len(at_stripe(sandbox, "price")) == 8
    assert {p["metadata"]["flask_stripe_credits"] for p in products[4:]} == {"staging.example.com"}
    assert [p["name"] for p in products[:4]] == [
        row_of(host, code)["package_name"] for code in CODES
    ]
    assert len(at_stripe(sandbox, "event")) == events + 8
    assert in_sync(host)
    assert in_sync(staging)


def test_a_package_that_is_not_for_sale_is_not_synced(host: Host, sandbox: Sandbox) -> None:
    for code in CODES[1:]:
        change(host, code, is_active=False)
    assert len(applied(host)) == 2
    assert len(at_stripe(sandbox, "product")) == 1
    change(host, "starter", is_active=False)
    result = sync(host)
    assert result.exit_code == 0
    assert "there are no packages for sale" in result.output


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


def test_F25_live_with_a_test_key_is_refused(host: Host, sandbox: Sandbox) -> None:
    refused = sync(host, "--apply", "--live")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: --live was given, but the API key is a test key\n"
    assert at_stripe(sandbox, "product") == []


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


def test_a_refused_key_is_one_readable_line(host: Host, sandbox: Sandbox) -> None:
    sandbox.faults.next("GET /v1/products*", status=401)
    result = sync(host)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert host.state.settings.require_secret_key().reveal() not in result.output
