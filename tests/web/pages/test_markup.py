"""Every page is valid HTML, as html-validate sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_stripe_credits.web.pages import headers
from tests.hosts import Host
from tests.markup import NEEDS_NODE, assert_valid_html
from tests.web.pages.conftest import PAGES, buyer_of
from tests.web.pages.states import paths

pytestmark = NEEDS_NODE


def test_every_page_is_valid_html(
    small_pages: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages.credits.balance_loader(lambda user_id: -100)
    pages = {
        name.replace(" ", "-"): small_pages.client.get(PAGES + path).text
        for name, path in paths(small_pages)
    }
    buyer = buyer_of(small_pages)
    pages["refused"] = buyer.press(unit_amount="1").text
    monkeypatch.setattr(headers, "checkout_origin", lambda settings: "https://elsewhere.example")
    pages["continue"] = buyer.press().text
    assert "Continue to payment" in pages["continue"]
    assert len(pages) == 20
    assert_valid_html(pages, tmp_path)
