"""Walks through a purchase in a real browser and takes the pictures of the documentation.

``make screenshots`` runs this; look at every picture before you commit it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from .example_app.demo_process import ROOT, DemoProcess
from .operator_screenshots import take_operator_pictures

PICTURES = ROOT / "docs" / "how-to" / "pictures"
_PATIENCE_MILLISECONDS = 20_000


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        demo = DemoProcess(Path(data))
        # As on the reader's machine, whose addresses are in the pictures.
        demo.port, demo.sandbox_port = 5000, 5001
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            demo.start()
            take_operator_pictures(browser, demo)
            _walk(browser, demo)
        finally:
            browser.close()
            demo.stop()


def _walk(browser: Browser, demo: DemoProcess) -> None:
    page = browser.new_page(viewport={"width": 1120, "height": 880})
    page.set_default_timeout(_PATIENCE_MILLISECONDS)
    _log_in(page, demo)
    _take(page, "shop", height=600)
    _open_checkout(page, demo)
    _fill_card(page, "4000 0000 0000 0127")
    page.get_by_role("button", name="Pay $10.00").click()
    page.get_by_text("security code is incorrect").wait_for()
    _take(page, "payment-page")
    _fill_card(page, "4242 4242 4242 4242")
    page.get_by_role("button", name="Pay $10.00").click()
    page.get_by_role("heading", name="1,000 credits were added").wait_for()
    _take(page, "purchase", height=780)
    page.goto(f"{demo.sandbox_url}/dashboard/payments")
    page.get_by_role("link", name="$10.00").first.click()
    page.get_by_label("Amount in USD").first.fill("2.50")
    page.get_by_role("button", name="Refund", exact=True).click()
    page.get_by_text("Refunded.").wait_for()
    _take(page, "dashboard-payment")
    page.get_by_role("link", name="charge.refunded").click()
    page.get_by_text("delivered").wait_for()
    _take(page, "dashboard-event")
    page.emulate_media(color_scheme="dark")
    _open_checkout(page, demo)
    page.goto(f"{demo.url}/admin/credits/history")
    _take(page, "history-in-the-dark", height=520)
    page.set_viewport_size({"width": 390, "height": 760})
    page.goto(f"{demo.url}/admin/credits")
    _take(page, "shop-on-a-phone")
    _open_checkout(page, demo)
    page.get_by_text("US bank account", exact=True).click()
    page.get_by_label("Email").fill("alice@example.com")
    page.get_by_label("Account holder").fill("Alice Example")
    page.get_by_label("Routing number").fill("110000000")
    page.get_by_label("Account number").fill("000123456789")
    _take(page, "bank-debit-on-a-phone", full_page=True)


def _log_in(page: Page, demo: DemoProcess) -> None:
    page.goto(f"{demo.url}/login")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Buy credits").wait_for()


def _open_checkout(page: Page, demo: DemoProcess) -> None:
    page.goto(f"{demo.url}/admin/credits")
    page.get_by_role("button", name="Buy Starter Pack").click()
    page.get_by_role("heading", name="Payment details").wait_for()


def _fill_card(page: Page, number: str) -> None:
    page.get_by_label("Email").fill("alice@example.com")
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiry").fill("12 / 40")
    page.get_by_label("CVC").fill("123")
    page.get_by_label("Name on card").fill("Alice Example")
    page.get_by_label("ZIP").fill("94107")


def _take(page: Page, name: str, *, full_page: bool = False, height: int = 0) -> None:
    """:param height: of the part of the window that is worth showing; 0 for all of it."""
    size: Any = page.viewport_size
    clip: Any = {"x": 0, "y": 0, "width": size["width"], "height": height} if height else None
    page.screenshot(path=PICTURES / f"{name}.png", full_page=full_page, clip=clip)


if __name__ == "__main__":
    main()
