"""What waits for a decision, decided in a real browser; the effect is read from the ledger."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from ..payloads import checkout_session, event
from ..sandbox.chromium import MARKS
from .conftest import DASHBOARD, OPERATOR, Shop

pytestmark = [*MARKS, pytest.mark.xdist_group("browser of the dashboard")]


def contradict(shop: Shop, user: str) -> dict[str, object]:
    """A purchase that Stripe says was paid for less than it costs."""
    purchase = shop.open(user=user)
    shop.stripe.pay(purchase["stripe_checkout_session_id"])
    session = checkout_session(purchase, amount_subtotal=900, amount_total=900)
    assert shop.host.post_event(event("checkout.session.completed", session)).status_code == 200
    assert shop.host.purchase(purchase["id"])["status"] == "review"
    assert shop.host.ledger(user) == []
    return purchase


def test_accepting_grants_the_credits_and_says_who_did(shop: Shop, plain_page: Page) -> None:
    page, purchase = plain_page, contradict(shop, "ann")
    page.goto(f"{DASHBOARD}/reviews")
    page.get_by_role("row", name=str(purchase["id"])).get_by_text("Accept …").click()
    assert "gets up to 1,000 credits" in page.inner_text("form")
    assert shop.host.ledger("ann") == [], "asking changes nothing"
    page.get_by_label("Why").fill("called her")
    page.get_by_role("button", name="Accept").click()
    assert page.get_by_role("status").inner_text() == "Accepted. Credits granted now: 1,000."
    assert shop.host.ledger("ann") == [1000]
    (line,) = shop.log(purchase_id=purchase["id"], action="purchase.accepted")
    assert (line["actor"], line["details"]["reason"]) == (OPERATOR, "called her")
    page.reload()
    assert page.get_by_role("status").count() == 0, "it is told once"
    shop.host.assert_exact()


def test_dismissing_grants_nothing_for_good(shop: Shop, page: Page) -> None:
    purchase = contradict(shop, "bob")
    page.goto(f"{DASHBOARD}/purchases/{purchase['id']}")
    page.get_by_role("link", name="Dismiss …").click()
    page.get_by_label("Why").fill("refunded by hand")
    page.get_by_role("button", name="Dismiss").click()
    assert "Dismissed" in page.get_by_role("status").inner_text()
    assert shop.host.purchase(str(purchase["id"]))["status"] == "failed"
    assert shop.host.ledger("bob") == []


def test_without_a_reason_nothing_is_decided(shop: Shop, page: Page) -> None:
    purchase = contradict(shop, "cleo")
    address = f"{DASHBOARD}/reviews/{purchase['id']}/accept"
    page.goto(address)
    page.get_by_label("Why").fill("   ")
    page.get_by_role("button", name="Accept").click()
    assert "Say why" in page.get_by_role("alert").inner_text()
    assert shop.host.purchase(str(purchase["id"]))["status"] == "review"


def test_a_form_that_is_sent_twice_decides_once(shop: Shop, page: Page) -> None:
    purchase = contradict(shop, "dora")
    address = f"{DASHBOARD}/reviews/{purchase['id']}/accept"
    page.goto(address)
    again = page.context.new_page()
    again.goto(address)
    for one in (page, again):
        one.get_by_label("Why").fill("both of us")
        one.get_by_role("button", name="Accept").click()
    assert "any more" in again.get_by_role("status").inner_text()
    assert shop.host.ledger("dora") == [1000]
    assert len(shop.log(purchase_id=purchase["id"], action="purchase.accepted")) == 1
    assert shop.host.client.get(address).status_code == 404
