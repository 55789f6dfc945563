"""The page of one purchase: it says what is so, brings credits, and is its buyer's alone."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits.config import read_settings
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.web.pages.receipt import is_stripes
from tests.hosts import Host
from tests.stripe_stub import RETRIEVE, StripeStub
from tests.web.pages.conftest import PAGES, OpenShop, buyer_of, titled, words

ADDED = "credits were added"
NOW = dt.datetime.now(dt.UTC)


def page_of(host: Host, purchase: dict[str, Any], query: str = "") -> str:
    return buyer_of(host).get(f"/purchases/{purchase['id']}{query}")


def change(host: Host, purchase: dict[str, Any], **values: Any) -> None:
    table = host.credits.Purchase.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.id == purchase["id"]).values(values))


def is_watched(page: str) -> bool:
    return "data-fsc-watch" in page


@pytest.mark.parametrize(
    ("values", "query", "title", "expected"),
    [
        ({}, "?returned=paid", "Confirming your payment …", "as soon as the payment is confirmed"),
        ({}, "?returned=left", "You left the payment page", "no credits were added"),
        ({}, "", "Not paid yet", "no credits were added"),
        ({}, "?returned=<b>", "Not paid yet", "no credits were added"),
        ({"status": "processing"}, "", "Your payment is being processed", "several business days"),
        ({"status": "failed"}, "", "The payment failed", "no credits were added"),
        (
            {"status": "failed", "review_reason": "x", "review_decision": "dismissed"},
            "",
            "Closed",
            "no credits were added",
        ),
        ({"status": "expired"}, "", "This purchase has expired", "no credits were added"),
        ({"status": "review"}, "", "This purchase is being checked", "stay as they are"),
        (
            {"status": "refunded", "amount_paid": 1_000, "amount_refunded": 1_000},
            "",
            "Refunded",
            "None of the credits of this purchase count any more.",
        ),
        (
            {"status": "disputed", "amount_paid": 1_000},
            "",
            "Payment disputed",
            "None of the credits of this purchase count any more.",
        ),
        # Paid, but its grant isn't there: nothing in this database says so, and neither do we.
        ({"status": "completed", "amount_paid": 1_000}, "", "Payment received", "on their way"),
    ],
)
def test_no_state_promises_credits_that_were_not_added(
    small_pages: Host, values: dict[str, Any], query: str, title: str, expected: str
) -> None:
    purchase = small_pages.add_purchase(**values)
    page = page_of(small_pages, purchase, query)
    assert titled(page) == title
    assert expected in words(page)
    assert not re.search(rf"\d+ {ADDED}", page)
    still_open = values.get("status", "pending") in ("pending", "processing", "completed")
    assert is_watched(page) is still_open
    is_due = title in ("Confirming your payment …", "Payment received")
    assert ("This takes longer than usual." in page) is is_due


def test_credits_are_told_once_they_are_granted(pages: Host) -> None:
    purchase = pages.add_purchase()
    pages.pay(pages.add_purchase(amount_credits=234))
    pages.pay(purchase)
    page = page_of(pages, purchase, "?returned=paid")
    assert titled(page) == f"1,000 {ADDED}"
    said = words(page)
    for expected in (
        "Your payment of $10.00 has arrived",
        "Your balance 1,234",
        str(purchase["id"]),
    ):
        assert expected in said
    assert not is_watched(page)
    # The link of Stripe's that says otherwise changes nothing about it.
    assert titled(page_of(pages, purchase, "?returned=left")) == f"1,000 {ADDED}"


def test_a_free_purchase_is_no_payment(open_shop: OpenShop, database_url: str) -> None:
    allowed = {"STRIPE_CREDITS_ALLOW_FREE": True, "STRIPE_CREDITS_ALLOW_PROMOTION_CODES": True}
    host = open_shop(database_url, **allowed)
    purchase = host.add_purchase()
    host.pay(
        purchase,
        amount_total=0,
        payment_status="no_payment_required",
        payment_intent=None,
        total_details={"amount_discount": 1_000, "amount_tax": 0, "amount_shipping": 0},
    )
    said = words(page_of(host, purchase))
    assert ADDED in said
    assert "Your payment" not in said
    assert "Receipt" not in said


def test_B34_looking_asks_stripe_and_brings_the_credits(pages: Host, stripe: Sandbox) -> None:
    assert buyer_of(pages).press().status_code == 303
    (bought,) = pages.purchases()
    stripe.pay(bought["stripe_checkout_session_id"])
    assert pages.ledger() == []
    assert titled(page_of(pages, bought, "?returned=paid")) == f"1,000 {ADDED}"
    page_of(pages, bought)
    assert pages.ledger() == [1_000]
    pages.assert_exact()


def test_the_pages_script_brings_them_too(pages: Host, stripe: Sandbox) -> None:
    assert buyer_of(pages).press().status_code == 303
    (bought,) = pages.purchases()
    page = page_of(pages, bought, "?returned=paid")
    found = re.search(r'data-fsc-watch="([^"]+)" data-fsc-state="([^"]+)"', page)
    assert found is not None
    path, state = found.groups()
    assert (pages.client.get(path).json or {})["state"] == state
    stripe.pay(bought["stripe_checkout_session_id"])
    change(pages, bought, stripe_checked_at=None)  # five seconds later
    answer = pages.client.get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.json or {})["state"] != state
    assert pages.ledger() == [1_000]
    assert titled(page_of(pages, bought)) == f"1,000 {ADDED}"


def test_stripe_being_away_leaves_what_is_known(pages: Host, stripe: Sandbox) -> None:
    assert buyer_of(pages).press().status_code == 303
    (bought,) = pages.purchases()
    stripe.pay(bought["stripe_checkout_session_id"])
    stripe.faults.next(RETRIEVE, status=503)
    assert titled(page_of(pages, bought, "?returned=paid")) == "Confirming your payment …"
    assert pages.ledger() == []


def test_a_receiver_that_fails_leaves_what_is_known(
    open_shop: OpenShop, database_url: str, stripe: Sandbox
) -> None:
    def broken(grant: object) -> None:
        raise RuntimeError("no room")

    host = open_shop(database_url, receiver=broken)
    assert buyer_of(host).press().status_code == 303
    (bought,) = host.purchases()
    stripe.pay(bought["stripe_checkout_session_id"])
    page = page_of(host, bought, "?returned=paid")
    assert titled(page) == "Confirming your payment …"
    assert "no room" not in page
    assert host.grants() == []


@pytest.mark.parametrize("path", ["", "/state", "/receipt"])
def test_F09_F18_somebody_elses_purchase_is_not_found_and_moves_nothing(
    pages: Host, stripe: Sandbox, path: str
) -> None:
    assert buyer_of(pages).press().status_code == 303
    (bought,) = pages.purchases()
    stripe.pay(bought["stripe_checkout_session_id"])
    pages.user = "bob"
    answers = [
        pages.client.get(f"{PAGES}/purchases/{id}{path}")
        for id in (bought["id"], uuid.uuid4(), "%7BPURCHASE_ID%7D", "'%22%3Cb%3E", "x" * 300)
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert pages.ledger() == []
    pages.user = None
    assert pages.client.get(f"{PAGES}/purchases/{bought['id']}{path}").status_code == 401


def test_a_part_that_was_refunded_is_told_with_what_remains(pages: Host) -> None:
    from tests.payloads import event, refund

    purchase = pages.add_purchase()
    pages.pay(purchase)
    paid = pages.purchase(purchase["id"])
    pages.post_event(event("refund.created", refund(paid["stripe_payment_intent_id"], 400)))
    assert pages.ledger() == [1_000, -400]
    said = words(page_of(pages, purchase))
    assert (
        "$4.00 of $10.00 were refunded. 600 of the 1,000 credits of this purchase remain." in said
    )
    assert "Partly refunded" in words(buyer_of(pages).get("/history"))


def test_a_payment_page_that_is_still_open_can_be_gone_on_with(small_pages: Host) -> None:
    open_now = small_pages.add_purchase()
    link = f'href="{open_now["checkout_url"]}"'
    assert link in page_of(small_pages, open_now, "?returned=left")
    assert link in page_of(small_pages, open_now)
    assert link not in page_of(small_pages, open_now, "?returned=paid")
    change(small_pages, open_now, expires_at=NOW - dt.timedelta(hours=1))
    assert link not in page_of(small_pages, open_now, "?returned=left")


def test_in_the_outbox_credits_are_on_their_way_until_delivered(
    open_shop: OpenShop, database_url: str
) -> None:
    is_down = True

    def receive(grant: object) -> None:
        if is_down:
            raise RuntimeError("away")

    host = open_shop(database_url, receiver=receive, STRIPE_CREDITS_DELIVERY="outbox")
    purchase = host.add_purchase()
    assert host.pay(purchase).status_code == 200
    page = page_of(host, purchase)
    assert titled(page) == "Payment received"
    assert is_watched(page)
    is_down = False
    grants = host.credits.Grant.__table__
    with host.app.app_context():
        with host.db.engine.begin() as connection:
            connection.execute(sa.update(grants).values(next_attempt_at=NOW, claimed_until=None))
        assert host.credits.deliver_due() == 1
    assert titled(page_of(host, purchase)) == f"1,000 {ADDED}"


@pytest.mark.parametrize(
    ("values", "title", "expected"),
    [
        ({}, f"1,000 {ADDED}", "Your payment of $10.00 has arrived"),
        (
            {"amount_refunded": 400},
            "Partly refunded",
            "$4.00 of $10.00 were refunded. 1,000 of the 1,000 credits of this purchase remain.",
        ),
        (
            {"status": "disputed"},
            "Payment disputed",
            "The payment is disputed at the bank. 1,000 of the 1,000 credits",
        ),
    ],
)
def test_a_dismissal_keeps_what_was_delivered(
    pages: Host, values: dict[str, Any], title: str, expected: str
) -> None:
    purchase = pages.add_purchase()
    pages.pay(purchase)
    change(pages, purchase, review_reason="x", review_decision="dismissed", **values)
    page = page_of(pages, purchase)
    assert titled(page) == title
    assert expected in words(page)
    assert "contact us" not in page
    assert not is_watched(page)


def test_credits_that_a_dismissal_left_taken_back_are_not_promised(pages: Host) -> None:
    from tests.payloads import event, refund

    purchase = pages.add_purchase()
    pages.pay(purchase)
    paid = pages.purchase(purchase["id"])
    pages.post_event(event("refund.created", refund(paid["stripe_payment_intent_id"], 1_000)))
    values = {"review_reason": "x", "review_decision": "dismissed"}
    change(pages, purchase, status="completed", amount_refunded=0, **values)
    page = page_of(pages, purchase)
    assert titled(page) == "Closed"
    assert "None of the credits of this purchase count any more. Please contact us" in words(page)
    assert not is_watched(page)


class TestReceipt:
    def test_it_is_stripes_and_asked_for_when_wanted(self, pages: Host, stripe: Sandbox) -> None:
        assert buyer_of(pages).press().status_code == 303
        (bought,) = pages.purchases()
        receipt = f"{PAGES}/purchases/{bought['id']}/receipt"
        assert pages.client.get(receipt).status_code == 404
        assert receipt not in page_of(pages, bought)
        stripe.pay(bought["stripe_checkout_session_id"])
        change(pages, bought, stripe_checked_at=None)  # five seconds later
        assert receipt in page_of(pages, bought)
        assert receipt in buyer_of(pages).get("/history")
        answer = pages.client.get(receipt)
        assert answer.status_code == 303
        assert answer.location.startswith(f"{stripe.url}/receipts/ch_")

    @pytest.mark.parametrize(
        ("url", "goes"),
        [
            ("https://pay.stripe.com/receipts/x", True),
            ("https://stripe.com/receipts/x", True),
            ("http://pay.stripe.com/receipts/x", False),
            ("https://pay.stripe.com.evil.example/x", False),
            ("https://evilstripe.com/x", False),
            ("https://pay.stripe.com@evil.example/x", False),
            ("//evil.example/x", False),
            ("javascript:alert(1)", False),
        ],
    )
    def test_F06_nobody_is_sent_anywhere_but_to_stripe(self, url: str, goes: bool) -> None:
        assert is_stripes(url, read_settings({}, environ={})) is goes

    def test_with_a_sandbox_it_is_the_sandboxs(self, open_shop: OpenShop, stub: StripeStub) -> None:
        host = open_shop(STRIPE_CREDITS_API_BASE=stub.url)
        bought = host.add_purchase(status="completed", stripe_payment_intent_id="pi_1")
        for url, status in (
            (f"{stub.url}/r", 303),
            ("http://127.0.0.1:9/r", 404),
            ("https://pay.stripe.com/r", 404),
            (None, 404),
            (12, 404),
        ):
            stub.answer({"id": "pi_1", "latest_charge": {"id": "ch_1", "receipt_url": url}})
            answer = host.client.get(f"{PAGES}/purchases/{bought['id']}/receipt")
            assert answer.status_code == status

    def test_stripe_being_away_or_odd_is_said(self, open_shop: OpenShop, stub: StripeStub) -> None:
        host = open_shop(STRIPE_CREDITS_API_BASE=stub.url)
        bought = host.add_purchase(status="completed", stripe_payment_intent_id="pi_1")
        path = f"{PAGES}/purchases/{bought['id']}/receipt"
        for document, status in (([], 404), ({"latest_charge": "ch_1"}, 404), ({}, 404)):
            stub.answer(document)
            assert host.client.get(path).status_code == status
        stub.answer({"error": {"message": "x"}}, 500)
        answer = host.client.get(path)
        assert answer.status_code == 503
        assert "can&#39;t be fetched right now" in answer.text
