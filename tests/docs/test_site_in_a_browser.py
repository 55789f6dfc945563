"""Somebody reads the built documentation in a real browser, at a desk and on a phone."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ..sandbox.chromium import MARKS, browser, page
from .pages import PAGES

__all__ = ["browser", "page"]
pytestmark = [*MARKS, pytest.mark.xdist_group("site")]


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where the site is served, as by any server of files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_search_copying_and_drawings_work(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{address}/search.html?q=outbox")
    # They come one after the other.
    found = page.locator("#search-results a[href*='deliver-to-another-service']")
    expect(found.first).to_be_visible()

    page.goto(f"{address}/tutorial/first-purchase.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".highlight-sh").first.hover()
    page.locator(".highlight-sh button.copybtn").first.click()
    expect(page.locator("button.copybtn.success")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("python3 -m venv")
    # What is printed isn't typed.
    assert page.locator(".highlight-text button.copybtn").count() == 0

    page.goto(f"{address}/explanation/exactly-once.html")
    paper, seen = page.locator("svg.drawing .paper").first, set()
    for theme in ("light", "dark"):
        page.evaluate("theme => document.body.dataset.theme = theme", theme)
        seen.add(paper.evaluate("element => getComputedStyle(element).fill"))
    assert len(seen) == 2


def test_every_page_fits_a_phone_and_needs_nobody_else(page: Page, address: str) -> None:
    asked, statuses = set(), set()
    page.on("request", lambda request: asked.add(request.url))
    page.on("response", lambda answer: statuses.add((answer.status, answer.url)))
    page.set_viewport_size({"width": 360, "height": 740})
    for name in PAGES:
        page.goto(f"{address}/{name.removesuffix('.md')}.html")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, f"{name} is {wide} wide on a phone"
    assert [one for one in statuses if one[0] not in (200, 304)] == []
    assert [url for url in asked if not url.startswith((f"{address}/", "data:"))] == []
