"""The pictures of the operator's dashboard, on a year of made-up purchases."""

from __future__ import annotations

import subprocess
import sys

from playwright.sync_api import Browser, Page

from example_app.demo import Demo

from .example_app.demo_process import ROOT, DemoProcess

PICTURES = ROOT / "docs" / "how-to" / "pictures"
# Of no particular day, but with everything that a year has.
_DEMO_DATA = ("demo-data", "--purchases", "6000", "--seed", "3")
_WIDE = {"width": 1120, "height": 900}
_PHONE = {"width": 390, "height": 844}


def take_operator_pictures(browser: Browser, demo: DemoProcess) -> None:
    """Fill the demo's database, which has no purchases yet, and look at it as its operator."""
    place = Demo(demo.port, demo.sandbox_port, demo.data)
    subprocess.run(
        [sys.executable, "-m", "flask", "credits", *_DEMO_DATA],
        cwd=ROOT,
        env=place.environment(),
        check=True,
    )
    page = browser.new_page(viewport=_WIDE, base_url=demo.url, reduced_motion="reduce")  # type: ignore[arg-type]
    _log_in(page)
    page.goto("/admin/credits/dashboard?range=12m")
    _take(page, "operator-overview", height=1250)
    page.get_by_role("link", name="All purchases").click()
    page.get_by_label("Status").select_option("refunded")
    page.get_by_label("Package", exact=True).select_option("standard")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("table").get_by_role("link").first.click()
    _take(page, "operator-purchase", height=900)
    page.goto("/admin/credits/dashboard/purchases?status=completed&package=pro")
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_role("link", name="Refund …").click()
    page.get_by_label("Amount in USD").fill("20.00")
    page.get_by_label("Reason").fill("Didn't need all of it")
    page.get_by_role("button", name="Continue").click()
    _take(page, "operator-refund", height=860)
    page.set_viewport_size(_PHONE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="dark")
    page.goto("/admin/credits/dashboard?range=90d")
    page.locator("#fsc-usd").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('fsc-usd').scrollIntoView()")
    _take(page, "operator-on-a-phone", height=844)
    page.close()


def _log_in(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/credits**")


def _take(page: Page, name: str, *, height: int) -> None:
    width = (page.viewport_size or {"width": 0})["width"]
    page.set_viewport_size({"width": width, "height": height})
    page.screenshot(path=PICTURES / f"{name}.png")
