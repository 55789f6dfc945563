"""A real browser for the sandbox's pages, as wide as a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# With a group beside them, a module's tests share one browser in one worker.
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
# The machine may be busy with the rest of the suite.
PATIENCE_MILLISECONDS = 60_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)

_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_MOST_TABS = 80
_NAME = """() => {
    const it = document.activeElement;
    return it.labels && it.labels.length ? it.labels[0].textContent : it.textContent;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=_ARGUMENTS, timeout=PATIENCE_MILLISECONDS
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh window that fails the test when a page's script or policy fails."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if "Security" in message.text else None,
    )
    yield page
    assert context.cookies() == []
    context.close()
    assert problems == []


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Press the tabulator key until what has the focus is called ``name``."""
    seen = []
    for _ in range(_MOST_TABS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        seen.append(" ".join(page.evaluate(_NAME).split()))
        if seen[-1].startswith(name):
            return
    raise AssertionError(f"{name!r} can't be reached: {seen}")


def enter(page: Page) -> None:
    """Press Enter on what has the focus, and wait for the page that it leads to."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


def assert_good_for_all(page: Page) -> None:
    """Nothing that axe finds, light and dark, and nothing wider than the window."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page)
        assert found.violations_count == 0, f"{page.url} ({scheme}): {found.generate_report()}"
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == page.evaluate("window.innerWidth"), page.url
