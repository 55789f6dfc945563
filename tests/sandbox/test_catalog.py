from __future__ import annotations

import pytest
import stripe

from flask_stripe_credits.sandbox import Sandbox

from .conftest import open_session


def test_a_price_is_found_by_its_lookup_key_which_can_move_to_another(
    client: stripe.StripeClient,
) -> None:
    product = client.v1.products.create({"name": "Starter", "metadata": {"code": "starter"}})
    first = client.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 1000, "lookup_key": "starter"}
    )
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.prices.create(
            {"product": product.id, "currency": "usd", "unit_amount": 900, "lookup_key": "starter"}
        )
    assert refused.value.param == "lookup_key"
    second = client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 900,
            "lookup_key": "starter",
            "transfer_lookup_key": True,
        }
    )
    found = client.v1.prices.list({"lookup_keys": ["starter"], "active": True})
    assert [price.id for price in found.data] == [second.id]
    assert client.v1.prices.retrieve(first.id).lookup_key is None


def test_an_update_merges_metadata_and_tells_what_it_changed(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    product = client.v1.products.create(
        {"name": "Starter", "metadata": {"a": "1", "b": "2", "none": ""}}
    )
    changed = client.v1.products.update(
        product.id, {"name": "Small", "metadata": {"b": "", "c": "3"}}
    )
    assert changed.name == "Small"
    assert changed.metadata.to_dict() == {"a": "1", "c": "3"}
    (event,) = sandbox.events("product.updated")
    assert event["data"]["previous_attributes"]["name"] == "Starter"


def test_an_inactive_price_is_not_sold(client: stripe.StripeClient) -> None:
    product = client.v1.products.create({"name": "Starter"})
    price = client.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 1000, "active": False}
    )
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        open_session(client, line_items=[{"price": price.id, "quantity": 1}])


def test_the_default_price_of_a_product_is_one_of_its_own_and_cannot_be_archived(
    client: stripe.StripeClient,
) -> None:
    product, other = (client.v1.products.create({"name": name}).id for name in ("One", "Two"))
    first, second, archived, foreign = (
        client.v1.prices.create(
            {"product": of, "currency": "usd", "unit_amount": 100, "active": active}
        ).id
        for of, active in ((product, True), (product, True), (product, False), (other, True))
    )
    assert client.v1.products.update(product, {"default_price": first}).default_price == first
    with pytest.raises(stripe.InvalidRequestError, match="is the default price of its product"):
        client.v1.prices.update(first, {"active": False})
    for wrong in (archived, foreign):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.products.update(product, {"default_price": wrong})
        assert refused.value.param == "default_price"
    client.v1.products.update(product, {"default_price": second})
    assert not client.v1.prices.update(first, {"active": False}).active


def test_a_live_object_is_told_from_one_that_nobody_has(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    price = client.v1.prices.create(
        {"product_data": {"name": "Starter"}, "currency": "usd", "unit_amount": 100}
    )
    found = sandbox.store.get("price", price.id)
    assert found is not None
    sandbox.store.save({**found, "livemode": True})
    told = "a similar object exists in live mode, but a test mode key was used"
    with pytest.raises(stripe.InvalidRequestError, match=told) as missing:
        client.v1.prices.retrieve(price.id)
    assert missing.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError, match=told):
        open_session(client, line_items=[{"price": price.id, "quantity": 1}])


def test_lists_come_newest_first_a_page_at_a_time(client: stripe.StripeClient) -> None:
    made = [client.v1.products.create({"name": f"Pack {n}"}).id for n in range(5)]
    page = client.v1.products.list({"limit": 2})
    assert ([product.id for product in page.data], page.has_more) == (made[:2:-1], True)
    everything = [product.id for product in page.auto_paging_iter()]
    assert everything == made[::-1]
    back = client.v1.products.list({"limit": 2, "ending_before": made[0]})
    assert ([product.id for product in back.data], back.has_more) == ([made[2], made[1]], True)


def test_names_beyond_ascii_survive(client: stripe.StripeClient) -> None:
    name = "Pâté & <b>积分</b> 🎈"
    product = client.v1.products.create({"name": name, "metadata": {"schlüssel": "wert & mehr=1"}})
    product = client.v1.products.retrieve(product.id)
    assert product.name == name
    assert product.metadata.to_dict() == {"schlüssel": "wert & mehr=1"}
