"""The merchant's balance and account."""

from __future__ import annotations

from typing import Any

import stripe

from flask_stripe_credits.sandbox import Sandbox

from .conftest import open_session


def test_the_balance_is_the_sum_of_its_movements(
    client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    assert client.v1.balance.retrieve().available[0].amount == 0
    intents = [sandbox.pay(open_session(client).id).session["payment_intent"] for _ in range(2)]
    sandbox.refund(intents[0], 300)
    sandbox.dispute(intents[1])
    price: Any = {"currency": "eur", "unit_amount": 700, "product_data": {"name": "Pack"}}
    sandbox.pay(open_session(client, line_items=[{"price_data": price, "quantity": 1}]).id)
    balance = client.v1.balance.retrieve()
    assert {money.currency: money.amount for money in balance.available} == {"eur": 700, "usd": 700}
    movements = client.v1.balance_transactions.list({"currency": "usd"}).data
    assert [moved.net for moved in movements] == [-1000, -300, 1000, 1000]
    refund: Any = client.v1.refunds.list({"expand": ["data.balance_transaction.source"]}).data[0]
    assert refund.balance_transaction.source.id == refund.id
    (moved,) = client.v1.balance_transactions.list({"source": refund.id}).data
    assert client.v1.balance_transactions.retrieve(moved.id).amount == -300
    charge: Any = client.v1.charges.retrieve(refund.charge, {"expand": ["refunds"]})
    assert [of_charge.id for of_charge in charge.refunds.data] == [refund.id]


def test_there_is_one_account(client: stripe.StripeClient) -> None:
    account = client.v1.accounts.retrieve_current()
    assert account.id.startswith("acct_")
    assert account.charges_enabled


def test_customers_and_products_are_deleted(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    customer = client.v1.customers.create({"email": "a@example.com"})
    assert client.v1.customers.delete(customer.id).deleted is True
    product = client.v1.products.create({"name": "Pack"})
    assert client.v1.products.delete(product.id).deleted is True
    assert sandbox.objects("customer") == sandbox.objects("product") == []
    types = [event["type"] for event in sandbox.events()]
    assert types[1::2] == ["customer.deleted", "product.deleted"]
