"""Refunds from the dashboard, in a real browser; money and credits are read where they are."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from ..sandbox.chromium import MARKS
from .conftest import DASHBOARD, OPERATOR, Shop

pytestmark = [*MARKS, pytest.mark.xdist_group("browser of the dashboard")]


def refunded(shop: Shop, purchase: dict[str, Any]) -> list[int]:
    """What Stripe has given back of a purchase, in minor units."""
    intent = purchase["stripe_payment_intent_id"]
    return [
        refund.amount for refund in shop.stripe.client.v1.refunds.list({"payment_intent": intent})
    ]


def ask(page: Page, purchase: dict[str, Any], amount: str, reason: str = "") -> None:
    page.goto(f"{DASHBOARD}/purchases/{purchase['id']}/refund")
    page.get_by_label("Amount in USD").fill(amount)
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Continue").click()


def test_a_refund_is_shown_confirmed_made_and_logged(shop: Shop, plain_page: Page) -> None:
    page, purchase = plain_page, shop.sell("standard", "ann")
    page.goto(f"{DASHBOARD}/purchases/{purchase['id']}")
    page.get_by_role("link", name="Refund …").click()
    assert page.get_by_label("Amount in USD").input_value() == "45.00"
    page.get_by_label("Amount in USD").fill("9.99")
    page.get_by_label("Reason").fill("came too late")
    page.get_by_role("button", name="Continue").click()
    asked = page.inner_text("form")
    assert "Refund $9.99?" in asked
    assert "1,110" in asked, "5000 credits * 9.99 / 45.00, rounded up"
    assert refunded(shop, purchase) == []
    assert shop.host.ledger("ann") == [5000], "asking changes nothing"
    page.get_by_role("button", name="Refund $9.99").click()
    told = page.get_by_role("status").inner_text()
    assert told == "$9.99 refunded; 1,110 credits were taken back."
    assert refunded(shop, purchase) == [999]
    assert shop.host.ledger("ann") == [5000, -1110]
    (request,) = shop.host.rows(shop.host.credits.RefundRequest, purchase_id=purchase["id"])
    assert (request["actor"], request["reason"]) == (OPERATOR, "came too late")
    assert OPERATOR in {line["actor"] for line in shop.log(purchase_id=purchase["id"])}
    shop.stripe.deliver()
    assert shop.host.ledger("ann") == [5000, -1110]
    shop.host.assert_exact()


def test_a_form_that_is_sent_twice_refunds_once(shop: Shop, page: Page) -> None:
    purchase = shop.sell(user="bob")
    ask(page, purchase, "4")
    again = page.context.new_page()
    again.goto(page.url)
    for one in (page, again):
        one.get_by_role("button", name="Refund $4.00").click()
        one.get_by_role("status").wait_for()
    assert "nothing was done now" in again.get_by_role("status").inner_text()
    assert refunded(shop, purchase) == [400]
    assert shop.host.ledger("bob") == [1000, -400]


def test_the_rest_can_be_refunded_and_then_there_is_no_button(shop: Shop, page: Page) -> None:
    purchase = shop.sell(user="cleo")
    for amount in ("2.5", "7.5"):
        ask(page, purchase, amount)
        page.get_by_role("button", name="Refund $").click()
        page.get_by_role("status").wait_for()
    assert refunded(shop, purchase) == [750, 250]
    assert shop.host.balance("cleo") == 0
    assert shop.host.purchase(purchase["id"])["status"] == "refunded"
    assert page.get_by_role("link", name="Refund …").count() == 0


@pytest.mark.parametrize("amount", ["11", "0", "-1", "1.234", "all", "1e2", "NaN", "٣"])
def test_an_amount_that_cannot_be_is_said_beside_its_field(shop: Shop, amount: str) -> None:
    purchase = one_sale(shop)
    answer = shop.host.client.get(
        f"{DASHBOARD}/purchases/{purchase['id']}/refund", query_string={"amount": amount}
    )
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert f'value="{amount}"' in answer.text
    assert refunded(shop, purchase) == []


def one_sale(shop: Shop) -> dict[str, Any]:
    found = shop.host.purchases(user_id="dora")
    return found[0] if found else shop.sell(user="dora")


def test_when_stripe_is_down_it_is_said_and_nothing_is_lost(shop: Shop, page: Page) -> None:
    purchase = shop.sell(user="eve")
    ask(page, purchase, "10")
    for _ in range(10):
        shop.stripe.sandbox.faults.next("POST /v1/refunds", reset=True)
    page.get_by_role("button", name="Refund $10.00").click()
    assert "Try again" in page.get_by_role("status").inner_text()
    assert shop.host.ledger("eve") == [1000]
    shop.stripe.sandbox.faults.clear()
    ask(page, purchase, "10")
    page.get_by_role("button", name="Refund $10.00").click()
    assert "$10.00 refunded" in page.get_by_role("status").inner_text()
    assert refunded(shop, purchase) == [1000]
    assert shop.host.balance("eve") == 0
