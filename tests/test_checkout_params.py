"""What Stripe is told about a purchase, and what a host may add to it."""

from __future__ import annotations

import datetime as dt
import inspect
import re
import time
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from stripe import RequestOptions, StripeClient

from flask_stripe_credits import PurchaseSnapshot
from flask_stripe_credits.checkout_params import (
    OF_THE_LIBRARY,
    PROTECTED,
    PROTECTED_OF_PAYMENT_INTENT,
    apply_hook,
    build_params,
)
from flask_stripe_credits.config import read_settings
from flask_stripe_credits.errors import ConfigurationError
from flask_stripe_credits.sandbox import Sandbox

from .hosts import PREFIX, Host
from .stripe_stub import CREATE, NewShop

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
PURCHASE = PurchaseSnapshot(
    id="11111111-2222-4333-8444-555555555555",
    user_id="alice",
    package_code="pro",
    package_name="Pro Pack",
    amount_credits=10_000,
    unit_amount=8_000,
    currency="usd",
    status="pending",
    amount_paid=None,
    amount_refunded=0,
    credits_revoked=0,
    livemode=False,
    stripe_checkout_session_id=None,
    stripe_payment_intent_id=None,
    checkout_url=None,
    expires_at=None,
    review_reason=None,
    metadata=None,
    created_at=NOW,
    completed_at=None,
)


def build(
    price: str | None = None, description: str | None = "Best value", **config: Any
) -> dict[str, Any]:
    return build_params(
        PURCHASE,
        description=description,
        stripe_price_id=price,
        success_url="https://shop.test/r?p={PURCHASE_ID}",
        cancel_url="https://shop.test/c",
        settings=read_settings({"STRIPE_CREDITS_SITE": "shop.test"} | config, {}),
        now=NOW,
    )


METADATA = {
    "flask_stripe_credits": "shop.test",
    "purchase_id": PURCHASE.id,
    "user_id": "alice",
    "credits": "10000",
    "package_code": "pro",
}


def test_B28_exactly_these_parameters_are_sent() -> None:
    assert build() == {
        "mode": "payment",
        "line_items": [
            {
                "price_data": {
                    "currency": "usd",
                    "unit_amount": 8_000,
                    "product_data": {"name": "Pro Pack", "description": "Best value"},
                },
                "quantity": 1,
            }
        ],
        "client_reference_id": PURCHASE.id,
        "metadata": METADATA,
        "payment_intent_data": {"metadata": METADATA, "capture_method": "automatic_async"},
        "success_url": f"https://shop.test/r?p={PURCHASE.id}",
        "cancel_url": "https://shop.test/c",
    }


def test_a_synced_package_is_sold_by_its_price() -> None:
    assert build("price_1")["line_items"] == [{"price": "price_1", "quantity": 1}]


def test_a_package_without_description_has_none_at_stripe() -> None:
    for description in (None, ""):
        (item,) = build(description=description)["line_items"]
        assert item["price_data"]["product_data"] == {"name": "Pro Pack"}


def test_an_expiry_is_sent_only_when_configured() -> None:
    assert "expires_at" not in build()
    configured = build(STRIPE_CREDITS_SESSION_EXPIRES_SECONDS=3_600)
    assert configured["expires_at"] == int(NOW.timestamp()) + 3_600


def test_promotion_codes_and_tax_are_asked_for_only_when_configured() -> None:
    both = build(STRIPE_CREDITS_ALLOW_PROMOTION_CODES=True, STRIPE_CREDITS_AUTOMATIC_TAX=True)
    assert both["allow_promotion_codes"] is True
    assert both["automatic_tax"] == {"enabled": True}
    assert not {"allow_promotion_codes", "automatic_tax"} & build().keys()


def buy(host: Host) -> Any:
    return host.client.post(f"{PREFIX}/purchase", json={"package_code": "pro"})


def test_stripe_stores_what_was_sent(shop: Host, stripe: Sandbox) -> None:
    answer = buy(shop).json
    (row,) = shop.purchases()
    session = stripe.session(answer["session_id"])
    metadata = METADATA | {"flask_stripe_credits": "local", "purchase_id": str(row["id"])}
    assert session["metadata"] == metadata
    assert session["client_reference_id"] == str(row["id"])
    intent_id = stripe.pay(session["id"]).session["payment_intent"]
    (intent,) = [found for found in stripe.objects("payment_intent") if found["id"] == intent_id]
    assert intent["metadata"] == metadata
    assert intent["capture_method"] == "automatic_async"
    assert row["checkout_params"]["metadata"] == metadata


def test_the_settings_reach_stripe(new_shop: NewShop, stripe: Sandbox) -> None:
    host = new_shop(
        STRIPE_CREDITS_SESSION_EXPIRES_SECONDS=2_400,
        STRIPE_CREDITS_ALLOW_PROMOTION_CODES=True,
        STRIPE_CREDITS_SITE="staging",
    )
    session = stripe.session(buy(host).json["session_id"])
    assert abs(session["expires_at"] - time.time() - 2_400) < 10
    assert session["allow_promotion_codes"] is True
    assert session["metadata"]["flask_stripe_credits"] == "staging"


def test_a_synced_package_uses_its_price_at_stripe(new_shop: NewShop, stripe: Sandbox) -> None:
    host = new_shop()
    result = host.app.test_cli_runner().invoke(args=["credits", "sync", "--apply"])
    assert result.exit_code == 0, result.output
    packages = host.rows(host.credits.Package, package_code="pro")
    answer = buy(host).json
    (row,) = host.purchases()
    assert row["stripe_price_id"] == packages[0]["stripe_price_id"] is not None
    assert row["checkout_params"]["line_items"] == [
        {"price": row["stripe_price_id"], "quantity": 1}
    ]
    assert stripe.session(answer["session_id"])["amount_total"] == 8_000


# What a host may change.


def hook_of(change: Any) -> Any:
    def hook(purchase: PurchaseSnapshot, params: dict[str, Any]) -> Mapping[str, Any]:
        result = change(params)
        return params if result is None else result  # type: ignore[no-any-return]

    return hook


def test_a_host_may_add_what_carries_nothing_of_ours() -> None:
    def add(params: dict[str, Any]) -> None:
        params["customer_email"] = "alice@shop.test"
        params["locale"] = "de"
        params["custom_text"] = {"submit": {"message": "Thank you"}}
        params["invoice_creation"] = {"enabled": True}
        params["metadata"]["campaign"] = "spring"
        params["payment_intent_data"]["metadata"]["campaign"] = "spring"
        params["payment_intent_data"]["receipt_email"] = "alice@shop.test"
        params["payment_method_options"] = {"card": {"request_three_d_secure": "any"}}

    before = build()
    changed = apply_hook(hook_of(add), PURCHASE, before)
    assert changed["customer_email"] == "alice@shop.test"
    assert changed["metadata"] == METADATA | {"campaign": "spring"}
    assert changed["payment_intent_data"]["capture_method"] == "automatic_async"
    assert before == build(), "the hook gets a copy"


@pytest.mark.parametrize("name", [*PROTECTED, *OF_THE_LIBRARY])
def test_B28_no_protected_parameter_can_be_changed_added_or_removed(name: str) -> None:
    values: list[Any] = ["x", 2, None, {}, [], [{"price": "price_cheap", "quantity": 100}]]
    for base in (build(), build(STRIPE_CREDITS_ALLOW_PROMOTION_CODES=True)):
        for value in values:
            with pytest.raises(ConfigurationError, match=rf"may not change {name}\b"):
                apply_hook(hook_of(lambda p, v=value: p | {name: v}), PURCHASE, base)
        if name in base:
            with pytest.raises(ConfigurationError, match=rf"may not change {name}\b"):
                apply_hook(hook_of(lambda p: p.pop(name) and None), PURCHASE, base)


def test_B28_all_that_the_library_takes_for_itself_is_protected() -> None:
    taken = set(RequestOptions.__annotations__) | set(
        re.findall(r'params\.pop\("(\w+)"', inspect.getsource(StripeClient.raw_request))
    )
    taken |= set(inspect.signature(StripeClient.raw_request).parameters) - {"self", "params"}
    assert taken <= set(OF_THE_LIBRARY)


@pytest.mark.parametrize("name", PROTECTED_OF_PAYMENT_INTENT)
def test_B28_nor_can_those_of_the_payment(name: str) -> None:
    def change(params: dict[str, Any]) -> None:
        params["payment_intent_data"][name] = "manual"

    shown = rf"may not change payment_intent_data\.{name}"
    with pytest.raises(ConfigurationError, match=shown):
        apply_hook(hook_of(change), PURCHASE, build())


@pytest.mark.parametrize("method", ["card", "klarna", "link"])
def test_B28_nor_can_a_single_payment_method_be_authorised_only(method: str) -> None:
    def change(params: dict[str, Any]) -> None:
        params["payment_method_options"] = {method: {"capture_method": "manual"}}

    shown = rf"may not set payment_method_options\.{method}\.capture_method"
    with pytest.raises(ConfigurationError, match=shown):
        apply_hook(hook_of(change), PURCHASE, build())


@pytest.mark.parametrize("key", list(METADATA))
@pytest.mark.parametrize("where", ["metadata", "payment_intent_data.metadata"])
def test_our_metadata_stays(key: str, where: str) -> None:
    def metadata(params: dict[str, Any]) -> dict[str, Any]:
        found = params
        for name in where.split("."):
            found = found[name]
        return found

    for change in (
        lambda params: metadata(params).pop(key) and None,
        lambda params: metadata(params).update({key: "other"}),
        lambda params: metadata(params).clear(),
    ):
        with pytest.raises(ConfigurationError, match=where.replace(".", r"\.")):
            apply_hook(hook_of(change), PURCHASE, build())


@pytest.mark.parametrize(
    "answer",
    ["", "params", 1, True, [], [("mode", "payment")], dict, object()],
    ids=lambda answer: type(answer).__name__,
)
def test_a_hook_that_returns_no_parameters_is_told_so(answer: Any) -> None:
    with pytest.raises(ConfigurationError, match="must return the parameters"):
        apply_hook(lambda purchase, params: answer, PURCHASE, build())
    with pytest.raises(ConfigurationError, match="not NoneType"):
        apply_hook(lambda purchase, params: None, PURCHASE, build())  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "value",
    [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), {1, 2}, b"x", object(), 1j],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="JSON"):
        apply_hook(hook_of(lambda p: p | {"custom": value}), PURCHASE, build())


def test_what_refers_to_itself_is_refused() -> None:
    def loop(params: dict[str, Any]) -> None:
        params["custom"] = params

    with pytest.raises(ConfigurationError, match="JSON"):
        apply_hook(hook_of(loop), PURCHASE, build())


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.pop("metadata") and None,
        lambda p: p.update(metadata=None),
        lambda p: p.pop("payment_intent_data") and None,
        lambda p: p.update(payment_intent_data=[]),
        lambda p: {},
    ],
)
def test_what_holds_our_marks_cannot_be_removed(change: Any) -> None:
    with pytest.raises(ConfigurationError, match="may not"):
        apply_hook(hook_of(change), PURCHASE, build())


# Through the API.


def test_the_hook_runs_once_inside_the_transaction_with_the_hosts_session(
    shop: Host, stripe: Sandbox
) -> None:
    calls: list[PurchaseSnapshot] = []
    with shop.app.app_context():
        shop.db.session.add(shop.LedgerEntry(id="x", user_id="alice", credits=7))
        shop.db.session.commit()

    @shop.credits.checkout_session_params
    def add(purchase: PurchaseSnapshot, params: dict[str, Any]) -> dict[str, Any]:
        calls.append(purchase)
        entry = shop.db.session.get(shop.LedgerEntry, "x")
        shop.db.session.add(
            shop.LedgerEntry(id=purchase.id, user_id=purchase.user_id, credits=entry.credits)
        )
        return params | {"customer_email": f"{purchase.user_id}@shop.test"}

    stripe.faults.next(CREATE, status=500)
    assert buy(shop).status_code == 503
    answer = buy(shop)
    assert answer.status_code == 201
    (row,) = shop.purchases()
    (told,) = calls
    assert (told.id, told.user_id, told.amount_credits) == (str(row["id"]), "alice", 10_000)
    assert row["checkout_params"]["customer_email"] == "alice@shop.test"
    assert stripe.session(answer.json["session_id"])["customer_email"] == "alice@shop.test"
    assert shop.ledger() == [7, 7], "what the hook writes is kept with the purchase"


def test_a_hook_that_goes_too_far_is_the_servers_mistake_and_nothing_is_kept(
    shop: Host, caplog: pytest.LogCaptureFixture
) -> None:
    @shop.credits.checkout_session_params
    def cheaper(purchase: PurchaseSnapshot, params: dict[str, Any]) -> dict[str, Any]:
        shop.db.session.add(shop.LedgerEntry(id="x", user_id="alice", credits=7))
        shop.db.session.flush()
        return params | {"line_items": [{"price": "price_cheap", "quantity": 1}]}

    answer = buy(shop)
    assert (answer.status_code, answer.json["code"]) == (500, "configuration_error")
    assert "line_items" not in answer.text
    assert "may not change line_items" in caplog.text
    assert shop.purchases() == [] == shop.ledger()


def test_a_hook_that_fails_keeps_nothing(shop: Host) -> None:
    @shop.credits.checkout_session_params
    def broken(purchase: PurchaseSnapshot, params: dict[str, Any]) -> dict[str, Any]:
        raise LookupError("no such customer")

    with pytest.raises(LookupError):
        buy(shop)
    assert shop.purchases() == []
    shop.state.callbacks.checkout_session_params = None
    assert buy(shop).status_code == 201


def test_a_parameter_that_stripe_refuses_keeps_the_row(shop: Host) -> None:
    @shop.credits.checkout_session_params
    def wrong(purchase: PurchaseSnapshot, params: dict[str, Any]) -> dict[str, Any]:
        return params | {"no_such_parameter": "x"}

    assert buy(shop).status_code == 502
    (row,) = shop.purchases()
    assert (row["status"], row["checkout_url"]) == ("pending", None)
    assert shop.rows(shop.credits.Buyer)[0]["user_id"] == "alice"


def test_what_the_hook_added_is_sent_again_as_it_was(shop: Host, stripe: Sandbox) -> None:
    numbers = iter(range(100))

    @shop.credits.checkout_session_params
    def random(purchase: PurchaseSnapshot, params: dict[str, Any]) -> dict[str, Any]:
        return params | {"customer_email": f"alice{next(numbers)}@shop.test"}

    for _ in range(3):
        stripe.faults.next(CREATE, reset=True, after_work=True)
    assert buy(shop).status_code == 503
    assert buy(shop).status_code == 201
    with shop.app.app_context(), shop.db.engine.connect() as connection:
        table = shop.credits.Purchase.__table__
        (params,) = connection.execute(sa.select(table.c.checkout_params)).scalars()
    assert params["customer_email"] == "alice0@shop.test"
