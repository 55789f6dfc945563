"""Ids of live mode beside a test key, and the other way round."""

from __future__ import annotations

from typing import Any

import pytest

from flask_stripe_credits.catalog.sync.twins import Twins
from flask_stripe_credits.errors import GatewayOtherMode
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import Host, make_host
from ..payloads import new_api_key
from ..stripe_stub import StripeStub
from .shelves import applied, at_stripe, change, in_sync, on_sqlite, row_of, sync, told


@pytest.fixture
def copied(host: Host, sandbox: Sandbox) -> Host:
    """A copy of a live shop's database, with a test key; the live objects are at Stripe."""
    applied(host)
    for kind in ("product", "price"):
        for found in at_stripe(sandbox, kind):
            live = {**found, "id": f"{found['id']}live", "livemode": True, "metadata": {}}
            if kind == "price":
                live |= {"product": f"{found['product']}live", "lookup_key": None}
            sandbox.store.add(live)
    for code in ("starter", "pro"):
        row = row_of(host, code)
        change(
            host,
            code,
            stripe_product_id=f"{row['stripe_product_id']}live",
            stripe_price_id=f"{row['stripe_price_id']}live",
        )
    return host


@on_sqlite
def test_F25_a_test_key_does_not_replace_ids_of_live_mode(copied: Host, sandbox: Sandbox) -> None:
    before, events = copied.rows(copied.credits.Package), len(at_stripe(sandbox, "event"))
    for arguments in ([], ["--apply"]):
        result = sync(copied, *arguments)
        assert result.exit_code == 1
        lines = result.stdout.splitlines()
        assert told(lines, "starter") == (
            "Stripe has it in live mode, and the API key is a test key: use that key; or, if this "
            "database is a copy of a live one, `flask credits sync --apply --replace-ids`"
        )
        assert told(lines, "standard") == "in sync"
        assert lines[-1] == "2 failed"
    assert copied.rows(copied.credits.Package) == before
    assert len(at_stripe(sandbox, "event")) == events


@on_sqlite
def test_F25_in_a_copy_of_a_live_database_the_ids_are_replaced_when_that_is_said(
    copied: Host, sandbox: Sandbox
) -> None:
    assert told(sync(copied, "--replace-ids").stdout.splitlines(), "pro").startswith(
        "adopt product"
    )
    applied(copied, "--replace-ids")
    assert in_sync(copied)
    assert not row_of(copied, "pro")["stripe_price_id"].endswith("live")
    # Nobody buys what isn't for sale, whatever ids it has.
    row = row_of(copied, "enterprise")
    live_id = f"{row['stripe_product_id']}live"
    change(copied, "enterprise", is_active=False, stripe_product_id=live_id)
    assert in_sync(copied)
    live = [one for one in at_stripe(sandbox, "product") if one["livemode"]]
    assert all(one["active"] for one in live)
    assert (
        copied.client.post(
            "/api/v1/billing/credits/purchase", json={"package_code": "pro"}
        ).status_code
        == 201
    )


def test_F25_going_live_replaces_the_ids_of_test_mode(new_database: Any, stub: StripeStub) -> None:
    """What the live API answers about them; the sandbox takes no live key."""
    host = make_host(
        new_database("sqlite"),
        STRIPE_SECRET_KEY=new_api_key("live"),
        STRIPE_CREDITS_API_BASE=stub.url,
    )
    message = (
        "No such product: 'prod_test'; a similar object exists in test mode, but a live mode key "
        "was used to make this request."
    )
    error = {"type": "invalid_request_error", "code": "resource_missing", "message": message}
    stub.answer({"error": error}, 404)
    with host.app.app_context():
        with pytest.raises(GatewayOtherMode) as caught:
            host.state.gateway.retrieve_product("prod_test")
        assert caught.value.livemode is False
        ids = {"stripe_product_id": "prod_test", "stripe_price_id": "price_test"}
        assert Twins(host.state).product_of({**ids, "is_active": False}) is None
