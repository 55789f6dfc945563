"""What isn't sold any more is archived, and never under the hands of a buyer."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host
from .shelves import (
    REFUSED,
    applied,
    buy,
    change,
    dashboard,
    in_sync,
    on_sqlite,
    one,
    packages,
    pay,
    planned,
    row_of,
    sync,
    told,
)


def archived(sandbox: Sandbox, kind: str, id: str) -> bool:
    return not one(sandbox, kind, id)["active"]


def expire(host: Host) -> None:
    """Let the time of every open checkout be over."""
    table = host.state.models.table(host.credits.Purchase)
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).values(created_at=past))
        opened = sa.update(table).where(table.c.expires_at.is_not(None))
        connection.execute(opened.values(expires_at=past))


def test_the_product_of_a_package_that_is_off_sale_is_archived_and_comes_back(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    pro = row_of(host, "pro")
    packages(host, "deactivate", "pro")
    assert sync(host).exit_code == 2
    assert told(applied(host), "pro") == f"archive product {pro['stripe_product_id']}: done"
    assert archived(sandbox, "product", pro["stripe_product_id"])
    assert planned(host, "pro") == "not for sale, in sync"
    assert in_sync(host)
    packages(host, "activate", "pro")
    # It sells before Stripe knows: no price of an archived product does.
    purchase = buy(host, "pro")
    assert (purchase["unit_amount"], purchase["stripe_price_id"]) == (8_000, None)
    assert told(applied(host), "pro") == (
        f"activate product {pro['stripe_product_id']}, adopt price {pro['stripe_price_id']}: done"
    )
    host.user = "bob"
    assert buy(host, "pro")["stripe_price_id"] == pro["stripe_price_id"]
    assert not archived(sandbox, "product", pro["stripe_product_id"])
    ids = ("stripe_product_id", "stripe_price_id")
    assert [row_of(host, "pro")[name] for name in ids] == [pro[name] for name in ids]


@on_sqlite
def test_a_package_that_was_never_synced_is_not_synced_when_it_is_off_sale(
    host: Host, sandbox: Sandbox
) -> None:
    for code in ("standard", "pro", "enterprise"):
        packages(host, "deactivate", code)
    assert told(applied(host), "pro") == "not for sale, in sync"
    assert len(list(sandbox.store.find("product"))) == 1


@on_sqlite
def test_what_somebody_else_made_or_still_sells_is_not_archived(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    theirs = dashboard(sandbox).v1.products.create({"name": "Theirs"})
    change(host, "pro", stripe_product_id=theirs.id, is_active=False)
    shared = row_of(host, "starter")["stripe_product_id"]
    change(host, "standard", stripe_product_id=shared)
    packages(host, "deactivate", "starter")
    for code in ("pro", "starter"):
        assert planned(host, code) == "not for sale, in sync"
    assert not archived(sandbox, "product", theirs.id)
    assert not archived(sandbox, "product", shared)


def test_an_old_price_waits_for_the_checkouts_that_are_open_and_they_can_be_paid(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    old = row_of(host, "pro")["stripe_price_id"]
    purchase = buy(host, "pro")
    assert purchase["stripe_price_id"] == old
    packages(host, "edit", "pro", "--price", "90", "--credits", "12000")
    lines = applied(host)
    assert told(lines, "pro") == "create price $90.00: done"
    until = purchase["expires_at"]
    assert (
        f"  later: archive price {old} ($80.00) when 1 open checkout is done, "
        f"at the latest {until:%Y-%m-%d %H:%M} UTC"
    ) in lines
    assert not archived(sandbox, "price", old)
    # Waiting is no drift.
    assert in_sync(host)
    # New buyers pay the new price, the one who was there first pays the old one.
    assert buy(host, "pro")["unit_amount"] == 9_000
    pay(host, sandbox, purchase)
    assert host.ledger() == [10_000]
    assert planned(host, "pro") == f"archive price {old} ($80.00)"
    applied(host)
    assert archived(sandbox, "price", old)
    assert in_sync(host)


def test_a_checkout_that_is_being_opened_keeps_its_price_too(host: Host, sandbox: Sandbox) -> None:
    """The purchase is committed, and its session isn't asked for yet."""
    applied(host)
    old = row_of(host, "pro")["stripe_price_id"]
    host.add_purchase(
        stripe_price_id=old, stripe_checkout_session_id=None, checkout_url=None, expires_at=None
    )
    packages(host, "edit", "pro", "--price", "90")
    applied(host)
    assert not archived(sandbox, "price", old)
    expire(host)
    assert planned(host, "pro") == f"archive price {old} ($80.00)"


def test_the_product_of_an_open_checkout_waits_as_well(host: Host, sandbox: Sandbox) -> None:
    applied(host)
    product_id = row_of(host, "pro")["stripe_product_id"]
    purchase = buy(host, "pro")
    packages(host, "deactivate", "pro")
    result = sync(host)
    assert result.exit_code == 0
    assert f"  later: archive product {product_id} when 1 open checkout is done" in result.output
    applied(host)
    assert not archived(sandbox, "product", product_id)
    pay(host, sandbox, purchase)
    assert host.ledger() == [10_000]
    applied(host)
    assert archived(sandbox, "product", product_id)


@on_sqlite
def test_a_checkout_that_opens_while_we_plan_keeps_its_price(host: Host, sandbox: Sandbox) -> None:
    applied(host)
    old = row_of(host, "pro")["stripe_price_id"]
    change(host, "pro", unit_amount=9_000)

    def opens(_: object) -> None:
        host.add_purchase(stripe_price_id=old)

    sandbox.faults.next("POST /v1/prices", before_reply=opens)
    assert "later: archive price" in "\n".join(applied(host))
    assert not archived(sandbox, "price", old)


@on_sqlite
def test_a_price_that_is_wanted_again_meanwhile_is_not_archived(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    old = row_of(host, "pro")["stripe_price_id"]
    packages(host, "edit", "pro", "--price", "90")

    def changes_back(_: object) -> None:
        change(host, "pro", unit_amount=8_000, stripe_price_id=old)

    sandbox.faults.next("POST /v1/prices", before_reply=changes_back)
    applied(host)
    assert not archived(sandbox, "price", old)
    assert row_of(host, "pro")["stripe_price_id"] == old


@on_sqlite
def test_a_package_that_goes_on_sale_meanwhile_keeps_its_product(
    host: Host, sandbox: Sandbox
) -> None:
    applied(host)
    packages(host, "deactivate", "pro")
    product_id = row_of(host, "pro")["stripe_product_id"]
    sandbox.faults.next(
        "GET /v1/prices", before_reply=lambda _: change(host, "pro", is_active=True)
    )
    for code in ("starter", "standard", "enterprise"):
        change(host, code, is_active=False, stripe_product_id=None)
    applied(host)
    assert not archived(sandbox, "product", product_id)


@on_sqlite
def test_the_default_price_of_a_product_can_be_replaced(host: Host, sandbox: Sandbox) -> None:
    """Stripe lets nobody archive it; the Dashboard makes one for every product."""
    applied(host)
    pro = row_of(host, "pro")
    at_hand = dashboard(sandbox).v1
    at_hand.products.update(pro["stripe_product_id"], {"default_price": pro["stripe_price_id"]})
    packages(host, "edit", "pro", "--price", "90")
    assert told(applied(host), "pro") == (
        "create price $90.00, make that the product's default price, "
        f"archive price {pro['stripe_price_id']} ($80.00): done"
    )
    new = row_of(host, "pro")["stripe_price_id"]
    assert one(sandbox, "product", pro["stripe_product_id"])["default_price"] == new
    assert archived(sandbox, "price", pro["stripe_price_id"])
    assert in_sync(host)


@on_sqlite
def test_an_archived_price_or_product_opens_no_checkout_but_ends_an_open_one(
    host: Host, sandbox: Sandbox
) -> None:
    """If somebody archives it in the Dashboard all the same: paid is paid, by the snapshot."""
    applied(host)
    pro, purchase = row_of(host, "pro"), buy(host, "pro")
    dashboard(sandbox).v1.prices.update(pro["stripe_price_id"], {"active": False})
    dashboard(sandbox).v1.products.update(pro["stripe_product_id"], {"active": False})
    assert told(sync(host).stdout.splitlines(), "pro").endswith(REFUSED)
    with pytest.raises(AssertionError, match="stripe_rejected"):
        host.user = "bob"
        buy(host, "pro")
    pay(host, sandbox, purchase)
    assert host.ledger() == [10_000]
    applied(host)
    assert buy(host, "pro")["user_id"] == "bob"
