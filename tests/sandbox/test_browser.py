"""The payment page in a real browser, by keyboard and labels."""

from __future__ import annotations

from typing import Any

import pytest
import stripe
from playwright.sync_api import Page, expect

from flask_stripe_credits.sandbox import Sandbox

from .chromium import MARKS, assert_good_for_all, browser, enter, page, tab_to
from .conftest import open_session

__all__ = ["browser", "page"]
pytestmark = [*MARKS, pytest.mark.xdist_group("browser of the sandbox")]


def fill(page: Page, number: str) -> None:
    page.get_by_label("Email").fill("alice@example.com")
    page.get_by_label("Card number").clear()
    page.get_by_label("Card number").press_sequentially(number)
    page.get_by_label("Expiry").clear()
    page.get_by_label("Expiry").press_sequentially("1240")
    page.get_by_label("CVC").fill("123")
    page.get_by_label("Name on card").fill("Alice")
    page.get_by_label("ZIP").fill("94107")


def test_declined_then_failed_3d_secure_then_paid(
    page: Page, client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    session = open_session(client, success_url=sandbox.url + "/?paid={CHECKOUT_SESSION_ID}")
    page.goto(str(session.url))
    page.get_by_role("button", name="Pay $10.00").click()
    expect(page.get_by_label("Email")).to_be_focused()
    expect(page.get_by_label("Email")).to_have_accessible_description("Enter your email.")
    fill(page, "4000000000000002")
    expect(page.get_by_label("Card number")).to_have_value("4000 0000 0000 0002")
    expect(page.get_by_label("Expiry")).to_have_value("12 / 40")
    page.get_by_label("ZIP").press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    fill(page, "4000002500003155")
    page.get_by_role("button", name="Pay $10.00").click()
    page.get_by_role("button", name="Fail authentication").click()
    expect(page.get_by_role("alert")).to_contain_text("unable to authenticate")
    fill(page, "4242424242424242")
    page.get_by_role("button", name="Pay $10.00").click()
    page.wait_for_url(f"**/?paid={session.id}")
    assert [charge["paid"] for charge in sandbox.objects("charge")] == [False, True]


@pytest.mark.parametrize(
    ("typed", "shown"), [("1/30", "01 / 30"), ("930", "09 / 30"), ("12/2030", "12 / 30")]
)
def test_the_expiry_is_understood_as_it_is_typed_or_filled_in(
    page: Page, client: stripe.StripeClient, typed: str, shown: str
) -> None:
    page.goto(str(open_session(client).url))
    page.get_by_label("Expiry").fill(typed)
    expect(page.get_by_label("Expiry")).to_have_value(shown)
    if len(typed) < 5:
        page.get_by_label("Expiry").clear()
        page.get_by_label("Expiry").press_sequentially(typed)
        expect(page.get_by_label("Expiry")).to_have_value(shown)


def test_a_bank_debit_by_keyboard_alone(
    page: Page, client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    session = open_session(client, success_url=sandbox.url + "/?ordered={CHECKOUT_SESSION_ID}")
    page.goto(str(session.url))
    tab_to(page, "Email")
    page.keyboard.type("alice@example.com")
    tab_to(page, "Card")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("US bank account")).to_be_checked()
    expect(page.get_by_label("Card number")).to_be_hidden()
    tab_to(page, "Account holder")
    page.keyboard.type("Alice")
    enter(page)
    expect(page.get_by_label("Routing number")).to_be_focused()
    expect(page.get_by_label("Routing number")).to_have_accessible_description(
        "Enter your bank's routing number."
    )
    page.keyboard.type("110000000")
    page.keyboard.press("Tab")
    page.keyboard.type("000123456789")
    tab_to(page, "Pay $10.00")
    enter(page)
    page.wait_for_url(f"**/?ordered={session.id}")
    assert sandbox.session(session.id)["payment_status"] == "unpaid"
    page.goto(str(session.url))
    expect(page.get_by_role("heading", name="already ordered")).to_be_visible()


def test_a_card_that_its_bank_refuses_says_so_at_the_field(
    page: Page, client: stripe.StripeClient
) -> None:
    page.goto(str(open_session(client).url))
    fill(page, "4000000000000127")
    enter(page)
    expect(page.get_by_label("CVC")).to_be_focused()
    expect(page.get_by_label("CVC")).to_have_accessible_description(
        "Your card's security code is incorrect."
    )


def test_an_iban_is_grouped_as_it_is_typed(
    page: Page, client: stripe.StripeClient, sandbox: Sandbox
) -> None:
    price: Any = {"currency": "eur", "unit_amount": 900, "product_data": {"name": "Pack"}}
    session = open_session(client, line_items=[{"price_data": price, "quantity": 1}])
    page.goto(str(session.url))
    page.get_by_text("SEPA Direct Debit").click()
    page.get_by_label("IBAN").press_sequentially("at611904300234573201")
    expect(page.get_by_label("IBAN")).to_have_value("AT61 1904 3002 3457 3201")


def test_every_page_of_a_payment_is_good_for_all(page: Page, client: stripe.StripeClient) -> None:
    url = str(open_session(client).url)
    page.goto(url)
    for summary in page.get_by_text("that work here").all():
        summary.click()
    assert_good_for_all(page)
    page.get_by_text("US bank account").click()
    assert_good_for_all(page)
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    assert_good_for_all(page)
    page.get_by_text("Card", exact=True).click()
    fill(page, "4000000000000002")
    enter(page)
    expect(page.get_by_text("Your card was declined.")).to_be_visible()
    assert_good_for_all(page)
    fill(page, "4000002500003155")
    enter(page)
    expect(page.get_by_role("heading", name="Confirm your payment")).to_be_visible()
    assert_good_for_all(page)
    for path in ("/c/pay/nothing", "/"):
        page.goto(url.partition("/c/pay")[0] + path)
        assert_good_for_all(page)
