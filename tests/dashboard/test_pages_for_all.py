"""Every page of the dashboard in a real browser: what axe finds, on a phone, in the dark, by
keyboard, and without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from ..sandbox.chromium import MARKS, assert_good_for_all, enter, tab_to
from .conftest import DASHBOARD, Shop
from .states import add_a_year, paths

pytestmark = [*MARKS, pytest.mark.xdist_group("browser of the dashboard")]


@pytest.fixture(scope="module")
def year(shop: Shop) -> dict[str, Any]:
    """A year of purchases in the shop; gives one that was refunded."""
    add_a_year(shop.host)
    return shop.host.purchases(status="refunded")[-1]


def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(
    shop: Shop, page: Page, year: dict[str, Any]
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for address in paths(shop.host).values():
        page.goto(DASHBOARD + address)
        for details in page.locator("summary").all()[:2]:
            details.click()
        assert_good_for_all(page)


def test_axe_finds_nothing_on_a_wide_screen(page: Page, year: dict[str, Any]) -> None:
    for address in ("?range=30d", f"/purchases/{year['id']}"):
        page.goto(DASHBOARD + address)
        assert_good_for_all(page)


def test_without_javascript_everything_is_there(plain_page: Page, year: dict[str, Any]) -> None:
    page = plain_page
    page.goto(f"{DASHBOARD}?range=12m")
    assert page.get_by_role("img", name="Revenue in USD").is_visible()
    page.get_by_text("As a table: Revenue in USD").click()
    assert page.get_by_role("table", name="Revenue in USD").is_visible()
    page.get_by_label("Package", exact=True).select_option("pro")
    page.get_by_role("button", name="Show").click()
    assert "package=pro" in page.url
    assert page.get_by_role("table", name="Popular packages").get_by_role("row").count() == 2


def test_the_charts_say_in_words_what_they_show(page: Page, year: dict[str, Any]) -> None:
    page.goto(f"{DASHBOARD}?range=12m")
    chart = page.get_by_role("img", name="Revenue in USD")
    described = chart.locator("desc").first.text_content() or ""
    paid = page.locator('[data-figure="usd-gross"]').inner_text()
    assert described.startswith(f"Paid week by week: {paid} in all. The most was $")


def test_by_keyboard_from_the_overview_to_one_purchase(page: Page, year: dict[str, Any]) -> None:
    page.goto(DASHBOARD)
    tab_to(page, "All purchases")
    enter(page)
    tab_to(page, "Search")
    page.keyboard.type(str(year["id"]))
    enter(page)
    tab_to(page, "$")
    enter(page)
    assert page.url.endswith(f"/purchases/{year['id']}")
    tab_to(page, "Details of")
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1
