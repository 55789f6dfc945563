"""Packages changed from the dashboard, in a real browser; the effect is read from the shop."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from ..hosts import PREFIX
from ..sandbox.chromium import MARKS
from .conftest import DASHBOARD, OPERATOR, Shop

pytestmark = [*MARKS, pytest.mark.xdist_group("browser of the dashboard")]


def for_sale(shop: Shop) -> dict[str, tuple[int, int]]:
    found = shop.host.client.get(f"{PREFIX}/packages").json
    return {row["package_code"]: (row["unit_amount"], row["credits"]) for row in found}


def test_a_new_price_is_shown_confirmed_and_sold(shop: Shop, plain_page: Page) -> None:
    page, before = plain_page, for_sale(shop)
    page.goto(f"{DASHBOARD}/packages")
    page.get_by_role("link", name="Change … Standard Pack").click()
    assert page.get_by_label("Price in USD").input_value() == "45.00"
    page.get_by_label("Price in USD").fill("49.9")
    page.get_by_role("button", name="Continue").click()
    assert "$45.00 $49.90" in page.inner_text("form")
    assert for_sale(shop) == before, "asking changes nothing"
    page.get_by_role("button", name="Change").click()
    assert page.get_by_role("status").inner_text() == "Standard Pack was changed."
    assert for_sale(shop) == before | {"standard": (4990, 5000)}
    (line,) = shop.log(action="package.updated", actor=OPERATOR)
    assert line["details"]["after"]["unit_amount"] == 4990
    assert shop.sell("standard", "ann")["amount_paid"] == 4990


def test_a_package_is_taken_off_sale_and_put_back(shop: Shop, page: Page) -> None:
    before = for_sale(shop)
    for choice, expected in (
        ("Not for sale", {code: one for code, one in before.items() if code != "pro"}),
        ("For sale", before),
    ):
        page.goto(f"{DASHBOARD}/packages/pro")
        page.get_by_label("Status").select_option(choice)
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Change").click()
        page.get_by_role("status").wait_for()
        assert for_sale(shop) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "much"},
        {"price": "-1"},
        {"price": "1.234"},
        {"credits": "0"},
        {"credits": "1.5"},
        {"credits": ""},
    ],
)
def test_what_cannot_be_is_said_beside_its_field(shop: Shop, wrong: dict[str, str]) -> None:
    before = for_sale(shop)
    asked = {"price": "80.00", "credits": "10000", "is_active": "yes"} | wrong
    answer = shop.host.client.get(f"{DASHBOARD}/packages/pro", query_string=asked)
    assert answer.status_code == 422
    assert answer.text.count('role="alert"') == 1
    assert for_sale(shop) == before


def test_the_same_again_changes_nothing_and_an_unknown_one_is_not_found(shop: Shop) -> None:
    asked = {"price": "80.00", "credits": "10000", "is_active": "yes"}
    answer = shop.host.client.get(f"{DASHBOARD}/packages/pro", query_string=asked)
    assert "Nothing is different" in answer.text
    assert shop.host.client.get(f"{DASHBOARD}/packages/none").status_code == 404
