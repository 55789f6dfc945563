"""What the doctor says of Stripe: the key, the account, the clock, the prices."""

from __future__ import annotations

import dataclasses
import datetime as dt
from email.utils import format_datetime
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.catalog.sync import PackagePlan, plan_sync
from flask_stripe_credits.doctor import Level, packages
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host, make_host
from ..payloads import new_api_key
from ..stripe_stub import NewShop, StripeStub
from .conftest import stamped
from .examined import examined, level, only

KEY_CHECKS = ("stripe", "permissions", "account", "clock")


@pytest.fixture
def synced_shop(small_shop: Host) -> Host:
    result = stamped(small_shop).app.test_cli_runner().invoke(args=["credits", "sync", "--apply"])
    assert result.exit_code == 0, result.output
    return small_shop


def test_all_is_well(small_shop: Host) -> None:
    found = examined(small_shop, *KEY_CHECKS)
    assert {line.level for id in KEY_CHECKS for line in found[id]} == {Level.OK}


def test_nobody_is_there(sqlite_host: Host, quick_retries: None) -> None:
    found = examined(sqlite_host, *KEY_CHECKS)
    assert found["stripe"][0].level is Level.ERROR
    assert "no answer from STRIPE_CREDITS_API_BASE, http://127.0.0.1:9" in found["stripe"][0].found
    for id in KEY_CHECKS[1:]:
        assert [line.found for line in found[id]] == ["not checked because of stripe"]


def test_D05_a_key_that_was_rolled(small_shop: Host, stripe: Sandbox) -> None:
    stripe.faults.next("GET /v1/checkout/sessions", status=401)
    found = only(small_shop, "stripe")
    assert found.level is Level.ERROR
    assert found.found == "Stripe refused the API key: it was rolled, or isn't whole"
    assert found.advice is not None and "STRIPE_SECRET_KEY" in found.advice


def test_D05_a_restricted_key_that_may_not_even_look(new_shop: NewShop, stripe: Sandbox) -> None:
    shop = new_shop(STRIPE_SECRET_KEY="rk_test_" + "0f" * 12)
    stripe.faults.next("GET /v1/checkout/sessions", lacking="rak_checkout_session_read")
    found = only(shop, "stripe")
    assert found.found == (
        "Stripe refused the API key: it lacks the permission rak_checkout_session_read"
    )


def test_D05_what_a_restricted_key_lacks_is_named(new_shop: NewShop, stripe: Sandbox) -> None:
    shop = new_shop(STRIPE_SECRET_KEY="rk_test_" + "0f" * 12)
    assert only(shop, "permissions").found == "the restricted key may do all that is needed"
    stripe.faults.next("GET /v1/refunds", lacking="rak_charge_read")
    stripe.faults.next("POST /v1/prices/*", lacking="rak_product_write")
    found = examined(shop, "permissions")["permissions"]
    assert [(line.level, line.found) for line in found] == [
        (
            Level.ERROR,
            "the restricted key lacks the permission rak_charge_read (to read /v1/refunds)",
        ),
        (
            Level.WARNING,
            "the restricted key lacks the permission rak_product_write (to change /v1/prices), "
            "which `flask credits sync` needs",
        ),
    ]


def test_asking_for_permissions_changes_nothing(new_shop: NewShop, stripe: Sandbox) -> None:
    shop = new_shop(STRIPE_SECRET_KEY="rk_test_" + "0f" * 12)
    before = stripe.store.query("SELECT id, body FROM objects ORDER BY id")
    assert level(shop, "permissions") is Level.OK
    assert stripe.store.query("SELECT id, body FROM objects ORDER BY id") == before


def test_an_account_that_is_not_activated(sqlite_url: str, stub: StripeStub) -> None:
    stub.answer({"id": "acct_1", "charges_enabled": False})
    for mode, expected in (("test", Level.WARNING), ("live", Level.ERROR)):
        host = make_host(
            sqlite_url,
            tables=False,
            STRIPE_SECRET_KEY=new_api_key(mode),
            STRIPE_CREDITS_API_BASE=stub.url,
        )
        found = examined(host, "account", without=("secret_key",))["account"][0]
        assert found.level is expected
        assert found.found.startswith("account acct_1 can't take live payments yet")


def test_an_account_that_a_restricted_key_may_not_read(new_shop: NewShop, stripe: Sandbox) -> None:
    shop = new_shop(STRIPE_SECRET_KEY="rk_test_" + "0f" * 12)
    stripe.faults.next("GET /v1/account", lacking="rak_accounts_read")
    assert level(shop, "account") is Level.SKIPPED


@pytest.mark.parametrize(("seconds", "expected"), [(60, Level.WARNING), (400, Level.ERROR)])
def test_C26_the_clock_is_behind(
    own_shop: Host, sandbox: Sandbox, seconds: int, expected: Level
) -> None:
    sandbox.advance(seconds)
    found = only(own_shop, "clock")
    assert found.level is expected
    off = int(found.found.split(" clock is ")[1].split(" s behind Stripe's")[0])
    assert abs(off - seconds) <= 2
    assert found.advice == "run NTP here"


def test_C26_the_clock_is_ahead(stub: StripeStub, sqlite_url: str) -> None:
    told = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=400)
    stub.answer({"data": []}, Date=format_datetime(told, usegmt=True))
    host = make_host(sqlite_url, tables=False, STRIPE_CREDITS_API_BASE=stub.url)
    found = only(host, "clock")
    assert found.level is Level.ERROR
    assert "s ahead of Stripe's: every webhook is refused, 300 s are tolerated" in found.found


def test_an_answer_that_does_not_tell_the_time(sqlite_url: str, stub: StripeStub) -> None:
    host = make_host(sqlite_url, tables=False, STRIPE_CREDITS_API_BASE=stub.url)
    stub.answer({"data": []})
    assert level(host, "clock") is Level.SKIPPED
    stub.answer({"data": []}, Date="yesterday")
    assert level(host, "clock") is Level.SKIPPED


def test_prices(synced_shop: Host) -> None:
    assert only(synced_shop, "prices").found == "4 packages are at Stripe as they are here"
    packages = synced_shop.credits.Package.__table__
    with synced_shop.app.app_context(), synced_shop.db.engine.begin() as connection:
        connection.execute(
            sa.update(packages).where(packages.c.package_code == "pro").values(unit_amount=8100)
        )
    # Changed by hand: a command would have forgotten the price that doesn't fit any more.
    (found,) = examined(synced_shop, "prices")["prices"]
    assert (found.level, found.command) == (Level.ERROR, "flask credits sync --apply")
    assert found.found.startswith("pro: create price $81.00 (price_")


def test_a_package_that_was_never_synced(own_shop: Host) -> None:
    found = only(own_shop, "prices")
    assert (found.level, found.command) == (Level.WARNING, "flask credits sync --apply")
    assert "starter: create product, create price $10.00; standard: " in found.found


def test_a_price_that_is_taken_away_at_stripe(synced_shop: Host, stripe: Sandbox) -> None:
    (row,) = synced_shop.rows(synced_shop.credits.Package, package_code="pro")
    price: Any = stripe.store.get("price", row["stripe_price_id"])
    stripe.store.save({**price, "active": False})
    found = only(synced_shop, "prices")
    assert (found.level, found.found) == (Level.ERROR, f"pro: activate price {price['id']}")


def test_a_product_that_was_renamed_at_stripe(synced_shop: Host, stripe: Sandbox) -> None:
    (row,) = synced_shop.rows(synced_shop.credits.Package, package_code="pro")
    product: Any = stripe.store.get("product", row["stripe_product_id"])
    stripe.store.save({**product, "name": "Cheap"})
    found = only(synced_shop, "prices")
    assert found.level is Level.WARNING
    assert found.found == 'pro: change product\'s name "Cheap" -> "Pro Pack"'


def test_a_package_that_cannot_be_synced(
    synced_shop: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [dataclasses.replace(plan, problem="why") for plan in plan_of(synced_shop)]
    monkeypatch.setattr(packages, "plan_sync", lambda state: plans[:1])
    found = only(synced_shop, "prices")
    assert (found.level, found.found) == (Level.ERROR, "starter: why")


def plan_of(host: Host) -> list[PackagePlan]:
    with host.app.app_context():
        return plan_sync(host.state)
