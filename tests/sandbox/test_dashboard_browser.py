"""The dashboard in a real browser: by keyboard, on a phone, and with what axe looks for."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .chromium import MARKS, assert_good_for_all, browser, enter, page, tab_to
from .shop import Shop

__all__ = ["browser", "page"]
pytestmark = [*MARKS, pytest.mark.xdist_group("browser of the sandbox")]


def test_a_part_is_refunded_and_the_rest_disputed_by_keyboard_alone(page: Page, shop: Shop) -> None:
    shop.buy()
    page.goto(shop.sandbox.url)
    tab_to(page, "Open the dashboard")
    enter(page)
    tab_to(page, "$10.00")
    enter(page)
    expect(page.get_by_role("heading", name="$10.00")).to_be_visible()
    tab_to(page, "Amount in USD")
    page.keyboard.type("ten")
    enter(page)
    expect(page.get_by_role("alert")).to_contain_text("isn't an amount in usd")
    tab_to(page, "Amount in USD")
    page.keyboard.type("4")
    enter(page)
    expect(page.get_by_role("status")).to_have_text("Refunded.")
    shop.assert_ledger(1000, -400)
    tab_to(page, "Open a dispute")
    enter(page)
    expect(page.get_by_role("status")).to_contain_text("disputes the payment")
    shop.assert_ledger(1000, -400, -600)
    tab_to(page, "Win")
    enter(page)
    expect(page.get_by_role("status")).to_have_text("The dispute is closed.")
    shop.assert_ledger(1000, -400, -600, 600)


def test_the_bank_answers_a_debit_on_a_phone(page: Page, shop: Shop) -> None:
    id = shop.buy("000123456789")
    page.goto(f"{shop.sandbox.url}/dashboard/payments/{id}")
    page.get_by_role("button", name="The bank pays").click()
    expect(page.get_by_role("status")).to_have_text("The bank has answered.")
    shop.assert_ledger(1000)
    page.reload()
    shop.assert_ledger(1000)


def test_every_page_of_the_dashboard_is_good_for_all(page: Page, shop: Shop) -> None:
    sandbox = shop.sandbox
    disputed, waiting = shop.buy(), shop.buy("000123456789")
    sandbox.refund(disputed, 250, status="pending")
    sandbox.dispute(disputed, inquiry=True)
    sandbox.deliver_pending()
    completed = sandbox.events("checkout.session.completed")[0]["id"]
    endpoint = sandbox.objects("webhook_endpoint")[0]["id"]
    session = shop.open()
    lists = ("payments", "sessions", "customers", "events", "deliveries", "endpoints", "chaos")
    paths = [f"/{name}" for name in lists]
    paths += [f"/payments/{disputed}", f"/payments/{waiting}", f"/sessions/{session}"]
    paths += [f"/events/{completed}", f"/endpoints/{endpoint}", "/payments?done=refunded"]
    for path in paths:
        page.goto(f"{sandbox.url}/dashboard{path}")
        expect(page.get_by_role("complementary")).to_have_text("Sandbox \N{EN DASH} no real money")
        assert_good_for_all(page)
