"""The pages in a real browser: without scripts, by keyboard, on a phone, and as axe sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from flask_stripe_credits.sandbox import Sandbox
from tests.hosts import Host, make_host
from tests.sandbox.chromium import MARKS, PATIENCE_MILLISECONDS, browser, tab_to
from tests.serving import serving
from tests.web.pages.conftest import PAGES, set_package
from tests.web.pages.states import paths

__all__ = ["browser"]
pytestmark = [*MARKS, pytest.mark.xdist_group("browser of the pages")]

PHONE: Any = {"width": 390, "height": 844}
_STANDARDS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


@dataclass
class Site:
    """A host with pages behind a real server, and the sandbox where it sells."""

    host: Host
    url: str
    sandbox: Sandbox

    @property
    def shop(self) -> str:
        return self.url + PAGES

    def forget(self) -> None:
        """Begin anew: no purchases of alice's, the guide's packages, nothing in the ledger."""
        self.host.user = "alice"
        with self.host.app.app_context(), self.host.db.engine.begin() as connection:
            for model in (
                self.host.credits.Grant,
                self.host.credits.Purchase,
                self.host.LedgerEntry,
            ):
                connection.execute(sa.delete(model.__table__))
        for code, amount in (("starter", 1_000), ("pro", 8_000)):
            set_package(self.host, code, unit_amount=amount, is_active=True)


@pytest.fixture(scope="module")
def _site(tmp_path_factory: pytest.TempPathFactory, _running_sandbox: Sandbox) -> Iterator[Site]:
    host = make_host(
        f"sqlite:///{tmp_path_factory.mktemp('site') / 'shop.sqlite'}",
        STRIPE_CREDITS_API_BASE=_running_sandbox.url,
        STRIPE_CREDITS_PAGES=PAGES,
        STRIPE_CREDITS_SUCCESS_URL=None,
        STRIPE_CREDITS_CANCEL_URL=None,
    )
    host.credits.balance_loader(lambda user_id: host.balance(user_id))
    host.load_packages()
    with serving(host.app) as url:
        yield Site(host, url, _running_sandbox)


@pytest.fixture
def site(_site: Site) -> Site:
    _site.forget()
    return _site


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window as wide as a phone; the test fails when a script or our policy does."""
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "console",
        lambda message: troubles.append(message.text) if "Security" in message.text else None,
    )
    yield page
    context.close()
    assert troubles == []


def assert_good_for_all(
    page: Page, name: str, schemes: tuple[str, ...] = ("light", "dark")
) -> None:
    """Nothing that axe finds, in light and dark, and nothing wider than the window."""
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page, options={"runOnly": list(_STANDARDS)})
        assert found.violations_count == 0, f"{name} ({scheme}): {found.generate_report()}"
    page.emulate_media(color_scheme="light")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name


def pay(page: Page) -> None:
    for label, value in (
        ("Email", "alice@example.com"),
        ("Card number", "4242 4242 4242 4242"),
        ("Expiry", "12 / 40"),
        ("CVC", "123"),
        ("Name on card", "Alice Example"),
        ("ZIP", "94107"),
    ):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name=re.compile(r"^Pay \$")).click()


def test_every_page_in_every_state_is_good_for_all(page: Page, site: Site) -> None:
    # What is dark differs in colours alone: the others have those of one of these.
    in_the_dark = {
        "shop",
        "empty history",
        "confirming",
        "left",
        "paid",
        "partly refunded",
        "disputed",
        "history",
        "nothing found",
        "sign in",
    }
    for name, path in paths(site.host):
        page.goto(site.shop + path)
        schemes = ("light", "dark") if name in in_the_dark else ("light",)
        assert_good_for_all(page, name, schemes)
        in_the_dark.discard(name)
    assert not in_the_dark


def test_buying_works_without_scripts(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(site.shop)
    page.get_by_role("button", name="Buy Starter Pack").click()
    expect(page.get_by_role("heading", name="Payment details")).to_be_visible()
    page.get_by_role("link", name=re.compile("Back to")).click()
    expect(page.get_by_test_id("outcome")).to_have_text("You left the payment page")
    page.get_by_role("link", name="Continue to payment").click()
    pay(page)
    expect(page.get_by_test_id("outcome")).to_have_text("Confirming your payment …")
    # Five seconds after it asked Stripe for the first time.
    purchases = site.host.credits.Purchase.__table__
    with site.host.app.app_context(), site.host.db.engine.begin() as connection:
        connection.execute(sa.update(purchases).values(stripe_checked_at=None))
    page.get_by_role("link", name="Check again").click()
    expect(page.get_by_test_id("outcome")).to_have_text("1,000 credits were added")
    expect(page.get_by_test_id("balance")).to_have_text("1,000")
    assert site.host.ledger() == [1_000]
    page.get_by_role("link", name="Receipt").click()
    expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    context.close()


def test_buying_works_by_keyboard_alone(page: Page, site: Site) -> None:
    page.goto(site.shop)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    tab_to(page, "Buy Pro Pack")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Payment details")).to_be_visible()
    (bought,) = site.host.purchases()
    assert bought["package_code"] == "pro"


def test_D09_a_button_that_is_pressed_twice_sends_once(page: Page, site: Site) -> None:
    sent: list[Route] = []
    page.route("**/buy", lambda route: sent.append(route))
    page.goto(site.shop)
    button = page.get_by_role("button", name="Buy Starter Pack")
    again = "setTimeout(() => { button.click(); console.log('pressed twice'); }, 100)"
    with page.expect_console_message(lambda message: message.text == "pressed twice"):
        button.evaluate(f"button => {{ button.click(); {again} }}")
    while not sent:
        # The browser tells of the request by another way than of the message.
        page.evaluate("0")
    # Had the second click sent the form again, the browser would have given up on the first.
    sent[0].continue_()
    expect(page.get_by_role("heading", name="Payment details")).to_be_visible()
    assert len(sent) == 1
    page.unroute_all()
    assert len(site.host.purchases()) == 1
    page.go_back()
    expect(button).not_to_have_attribute("aria-disabled", "true")
    button.click()
    expect(page.get_by_role("heading", name="Payment details")).to_be_visible()
    assert len(site.host.purchases()) == 1


def test_what_went_wrong_is_seen_where_it_happened(page: Page, site: Site) -> None:
    page.goto(site.shop)
    set_package(site.host, "pro", unit_amount=9_000)
    page.get_by_role("button", name="Buy Pro Pack").click()
    expect(page).to_have_title("Not bought: Pro Pack")
    error = page.get_by_role("alert")
    expect(error).to_be_in_viewport()
    expect(error).to_contain_text("This package has just changed.")
    assert_good_for_all(page, "refused")
    assert site.host.purchases() == []
    card = page.get_by_role("listitem").filter(has=error)
    expect(card.get_by_text("$90.00")).to_be_visible()
    card.get_by_role("button").click()
    expect(page.get_by_text("$90.00").first).to_be_visible()
    (bought,) = site.host.purchases()
    assert bought["unit_amount"] == 9_000


def test_a_payment_is_told_as_soon_as_it_is_confirmed(page: Page, site: Site) -> None:
    bought = site.host.add_purchase()
    page.clock.install()
    page.goto(f"{site.shop}/purchases/{bought['id']}?returned=paid")
    outcome, late = page.get_by_test_id("outcome"), page.get_by_text("This takes longer than")
    expect(outcome).to_have_text("Confirming your payment …")
    expect(late).to_be_hidden()
    page.clock.run_for(60_000)
    expect(late).to_be_visible()
    assert_good_for_all(page, "late")
    page.evaluate("window.spoken = document.querySelector('[aria-live]')")
    assert site.host.pay(bought).status_code == 200
    page.clock.run_for(20_000)
    expect(outcome).to_have_text("1,000 credits were added")
    expect(page).to_have_title("1,000 credits were added")
    expect(page.get_by_test_id("balance")).to_have_text("1,000")
    assert page.evaluate("window.spoken.isConnected && window.spoken.ariaLive") == "polite"
    expect(page.locator("[aria-live]")).to_contain_text("1,000 credits were added")
    assert page.locator("[data-fsc-watch]").count() == 0


def test_nothing_moves_for_whom_it_shall_not(page: Page, site: Site) -> None:
    bought = site.host.add_purchase()
    moving = "document.getAnimations().length"
    page.goto(f"{site.shop}/purchases/{bought['id']}?returned=paid")
    assert page.evaluate(moving) > 0
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == 0


def test_history_is_filtered_and_exported_by_hand(page: Page, site: Site) -> None:
    paid, failed = (
        site.host.add_purchase(status=status, package_name=status)
        for status in ("completed", "failed")
    )
    page.goto(f"{site.shop}/history")
    assert page.get_by_role("row").count() == 3
    page.get_by_label("Status").select_option("Failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("link", name="failed", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="completed", exact=True)).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    assert download.value.suggested_filename == "purchases.csv"
    text = download.value.path().read_text()
    assert str(failed["id"]) in text
    assert str(paid["id"]) not in text
