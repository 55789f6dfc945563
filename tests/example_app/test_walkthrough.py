"""A stranger runs one command and buys credits, in a real browser."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.example_app.demo_process import DemoProcess
from tests.example_app.http_buyer import buy_and_pay, refund
from tests.sandbox.chromium import assert_good_for_all

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.xdist_group("walkthrough"),
]
QUIET = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-quic --no-first-run "
    "--disable-component-update --disable-sync"
).split()

PAYS = "4242 4242 4242 4242"
DECLINED = "4000 0000 0000 0002"
ASKS = "4000 0025 0000 3155"
BOUGHT = (1_000, "purchase")
MINUS = "\N{MINUS SIGN}"

# The machine may be busy with the rest of the suite.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, demo: DemoProcess) -> Iterator[Page]:
    """A fresh browser window that fails the test when a page's script or policy fails."""
    context = browser.new_context(base_url=demo.url)
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "console",
        lambda message: (
            troubles.append(message.text) if "Security Policy" in message.text else None
        ),
    )
    yield page
    context.close()
    assert not troubles


def log_in(page: Page, name: str) -> None:
    page.goto("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Buy credits")).to_be_visible()


def open_checkout(page: Page, package: str = "Starter Pack") -> None:
    page.goto("/admin/credits")
    page.get_by_role("button", name=f"Buy {package}").click()
    expect(page.get_by_role("heading", name="Payment details")).to_be_visible()


def pay_with(page: Page, card: str) -> None:
    page.get_by_label("Email").fill("alice@example.com")
    page.get_by_label("Card number").fill(card)
    page.get_by_label("Expiry").fill("12 / 40")
    page.get_by_label("CVC").fill("123")
    page.get_by_label("Name on card").fill("Alice Example")
    page.get_by_label("ZIP").fill("94107")
    page.get_by_role("button", name=re.compile(r"^Pay \$")).click()


def shown_balance(page: Page) -> str:
    return page.get_by_test_id("balance").inner_text()


def test_alice_buys_the_starter_pack(page: Page, demo: DemoProcess) -> None:
    before = demo.balance("alice")
    log_in(page, "alice")
    assert shown_balance(page) == f"{before:,}"
    open_checkout(page)
    expect(page.get_by_text("$10.00").first).to_be_visible()
    pay_with(page, PAYS)
    expect(page.get_by_test_id("outcome")).to_have_text("1,000 credits were added")
    assert shown_balance(page) == f"{before + 1_000:,}"
    page.get_by_role("link", name="All purchases").click()
    newest = page.get_by_role("row").nth(1)
    expect(newest).to_contain_text("Starter Pack")
    expect(newest).to_contain_text("Paid")
    newest.get_by_role("link", name="Receipt").click()
    expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    assert demo.ledger("alice")[-1] == BOUGHT
    assert demo.balance("alice") == before + 1_000
    assert demo.statuses("alice")[-1] == "completed"


def test_declined_card_says_so_and_gives_nothing(page: Page, demo: DemoProcess) -> None:
    before = demo.ledger("bob")
    log_in(page, "bob")
    open_checkout(page)
    pay_with(page, DECLINED)
    expect(page.get_by_role("alert")).to_contain_text("declined")
    assert demo.ledger("bob") == before
    page.get_by_role("link", name="Back to").click()
    expect(page.get_by_test_id("outcome")).to_contain_text("You left the payment page")
    assert demo.statuses("bob")[-1] == "pending"

    page.get_by_role("link", name="Continue to payment").click()
    pay_with(page, PAYS)
    expect(page.get_by_test_id("outcome")).to_contain_text("1,000 credits were added")
    assert demo.ledger("bob") == [*before, BOUGHT]
    assert demo.statuses("bob")[-1] == "completed"


def test_3d_secure_gives_credits_only_when_passed(page: Page, demo: DemoProcess) -> None:
    before = demo.ledger("admin")
    log_in(page, "admin")
    open_checkout(page)
    pay_with(page, ASKS)
    page.get_by_role("button", name="Fail authentication").click()
    expect(page.get_by_role("alert")).to_contain_text("unable to authenticate")
    assert demo.ledger("admin") == before

    pay_with(page, ASKS)
    page.get_by_role("button", name="Complete authentication").click()
    expect(page.get_by_test_id("outcome")).to_contain_text("1,000 credits were added")
    assert demo.ledger("admin") == [*before, BOUGHT]
    assert demo.balance("admin") == sum(credits for credits, _ in before) + 1_000


def test_A02_replayed_webhook_changes_nothing(page: Page, demo: DemoProcess) -> None:
    buy_and_pay(demo, "alice")
    ledgers = {name: demo.ledger(name) for name in ("alice", "bob", "admin")}
    events = completed_events(demo)
    assert events
    for event in events:
        assert deliver(demo, event) == 200
    assert {name: demo.ledger(name) for name in ledgers} == ledgers
    log_in(page, "alice")
    expected = sum(credits for credits, _ in ledgers["alice"])
    assert shown_balance(page) == f"{expected:,}"


def completed_events(demo: DemoProcess) -> list[dict[str, Any]]:
    """Ask the sandbox for the events, as Stripe's own resending does."""
    request = urllib.request.Request(
        f"{demo.sandbox_url}/v1/events?type=checkout.session.completed&limit=100",
        headers={"Authorization": f"Bearer {demo.secrets['STRIPE_SECRET_KEY']}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        events: list[dict[str, Any]] = json.load(response)["data"]
    return events


def deliver(demo: DemoProcess, event: dict[str, Any]) -> int:
    """Sign an event anew and deliver it; return the answer's status."""
    body, now = json.dumps(event).encode(), int(time.time())
    key = demo.secrets["STRIPE_WEBHOOK_SECRET_CREDITS"].encode()
    signature = hmac.new(key, b"%d." % now + body, hashlib.sha256).hexdigest()
    request = urllib.request.Request(
        f"{demo.url}/api/v1/billing/credits/webhook",
        data=body,
        headers={
            "Content-Type": "application/json",
            "Stripe-Signature": f"t={now},v1={signature}",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        status: int = response.status
    return status


def test_B23_S10_refund_of_spent_credits_is_shown_as_a_negative_balance(
    page: Page, demo: DemoProcess
) -> None:
    log_in(page, "bob")
    open_checkout(page)
    pay_with(page, PAYS)
    outcome = page.get_by_test_id("outcome")
    expect(outcome).to_contain_text("1,000 credits were added")
    bought, before = page.url, demo.ledger("bob")
    balance = sum(credits for credits, _ in before)
    page.goto("/")
    page.get_by_label("Spend credits").fill(str(balance))
    page.get_by_role("button", name="Spend").click()
    expect(page.get_by_test_id("balance")).to_have_text("0")

    purchase_id = re.findall(r"purchases/([0-9a-f-]+)", bought)[0]
    refund(demo, demo.session_of(purchase_id), amount="400")
    demo.wait_for_ledger("bob", [*before, (-balance, "spent"), (-400, "refund")])
    page.goto(bought)
    expect(page.get_by_text("600 of the 1,000 credits of this purchase remain.")).to_be_visible()
    refund(demo, demo.session_of(purchase_id))
    demo.wait_for_status(purchase_id, "refunded")
    page.goto(bought)
    expect(outcome).to_have_text("Refunded")
    expect(page.get_by_test_id("balance")).to_have_text(f"{MINUS}1,000")
    expect(page.get_by_text("before their payment was taken back")).to_be_visible()
    assert demo.balance("bob") == -1_000

    page.get_by_role("link", name="All purchases").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("$10.00 refunded")
    page.goto("/")
    expect(page.get_by_role("row").nth(1)).to_contain_text(f"{MINUS}600")
    page.get_by_role("button", name="Spend").click()
    expect(page.get_by_role("alert")).to_contain_text(f"You have {MINUS}1,000 credits")


def test_purchase_page_waits_for_the_payment_and_then_tells_it(
    page: Page, demo: DemoProcess
) -> None:
    """Whoever opens the page before paying is told the truth, then and afterwards."""
    before = demo.balance("alice")
    log_in(page, "alice")
    open_checkout(page, "Standard Pack")
    payment = page.context.new_page()
    payment.goto(page.url)
    page.goto("/admin/credits/history")
    page.get_by_role("link", name="Standard Pack").first.click()
    expect(page.get_by_test_id("outcome")).to_have_text("Not paid yet")
    assert demo.balance("alice") == before
    pay_with(payment, PAYS)
    expect(payment.get_by_test_id("outcome")).to_contain_text("5,000 credits were added")
    expect(page.get_by_test_id("outcome")).to_contain_text("5,000 credits were added")
    assert demo.balance("alice") == before + 5_000


def test_spending_on_the_page_and_a_narrow_screen(browser: Browser, demo: DemoProcess) -> None:
    context = browser.new_context(base_url=demo.url, viewport={"width": 390, "height": 844})
    page = context.new_page()
    buy_and_pay(demo, "alice")
    before = demo.balance("alice")
    log_in(page, "alice")
    page.goto("/")
    page.get_by_label("Spend credits").fill("250")
    page.get_by_role("button", name="Spend").click()
    expect(page.get_by_role("status")).to_have_text("You spent 250 credits.")
    assert demo.balance("alice") == before - 250
    for path in ("/", "/admin/credits", "/admin/credits/history"):
        page.goto(path)
        assert_good_for_all(page)
    context.close()
