"""The payment page in a real browser, by keyboard and labels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import stripe
from playwright.sync_api import Page, expect, sync_playwright

from flask_stripe_credits.sandbox import Sandbox

from .conftest import open_session

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(5_000)
        yield page
        browser.close()


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
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if "Security" in message.text else None,
    )
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
    assert page.context.cookies() == []
    assert problems == []
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


def test_the_page_fits_a_phone(page: Page, client: stripe.StripeClient) -> None:
    page.goto(str(open_session(client).url))
    page.get_by_text("Cards that work here").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
