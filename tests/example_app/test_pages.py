from __future__ import annotations

import datetime as dt
import uuid

import pytest
from flask import Flask
from flask.testing import FlaskClient

from example_app.credit_manager import LedgerEntry, balance_of
from example_app.extensions import credits, db
from tests.example_app.conftest import csrf_token, log_in

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def alice(client: FlaskClient) -> FlaskClient:
    log_in(client, "alice")
    return client


def add_purchase(app: Flask, status: str, user_id: str = "alice") -> str:
    purchase_id = uuid.uuid4()
    with app.app_context():
        db.session.add(
            credits.Purchase(
                id=purchase_id,
                user_id=user_id,
                package_code="starter",
                package_name="Starter Pack",
                amount_credits=1_000,
                unit_amount=1_000,
                currency="usd",
                checkout_params={},
                checkout_url="http://127.0.0.1:9/c/pay/cs_test_1",
                request_hash="-",
                livemode=False,
                status=status,
                created_at=NOW,
                updated_at=NOW,
            )
        )
        db.session.commit()
    return str(purchase_id)


def add_entry(app: Flask, credits: int, purchase_id: str | None = None) -> None:
    with app.app_context():
        db.session.add(
            LedgerEntry(
                id=str(uuid.uuid4()),
                user_id="alice",
                credits=credits,
                reason="purchase",
                purchase_id=purchase_id,
            )
        )
        db.session.commit()


def test_packages_page_offers_the_catalogue(app: Flask, alice: FlaskClient) -> None:
    assert "Nothing is on sale" in alice.get("/admin/credits").text
    app.test_cli_runner().invoke(args=["credits", "packages", "load"])
    page = alice.get("/admin/credits").text
    for name, price in [("Starter", "$10.00"), ("Standard", "$45.00"), ("Pro", "$80.00")]:
        assert f"{name} Pack" in page
        assert price in page
    assert page.count("data-buy=") == 4


def test_F14_package_name_can_not_become_markup(app: Flask, alice: FlaskClient) -> None:
    app.test_cli_runner().invoke(args=["credits", "packages", "load"])
    with app.app_context():
        package = db.session.query(credits.Package).first()
        assert package is not None
        package.package_name = package.description = "<script>alert(1)</script>"
        db.session.commit()
    answer = alice.get("/admin/credits")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_every_answer_carries_the_safety_headers(alice: FlaskClient) -> None:
    for path in ("/", "/login", "/nowhere", "/api/v1/credits/balance", "/static/credits.js"):
        headers = alice.get(path, buffered=True).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert "script-src 'self'" in headers["Content-Security-Policy"], path
    assert alice.get("/admin/credits").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["", "/history", "/return?purchase=x", "/cancelled?purchase=x"])
def test_pages_are_for_users(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/admin/credits{path}")
    assert answer.status_code == 302
    assert answer.location == "/login"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("pending", "waiting for the payment to be confirmed"),
        ("processing", "bank hasn"),
        ("failed", "The payment failed. No credits were added."),
        ("expired", "expired before it was paid"),
        ("refunded", "taken back"),
        ("disputed", "disputed"),
        ("review", "Somebody will look at it"),
    ],
)
def test_return_page_promises_no_credits_that_were_not_added(
    app: Flask, alice: FlaskClient, status: str, words: str
) -> None:
    purchase_id = add_purchase(app, status)
    page = alice.get(f"/admin/credits/return?purchase={purchase_id}").text
    assert words in page
    assert "added to your balance" not in page


def test_return_page_tells_what_the_ledger_holds(app: Flask, alice: FlaskClient) -> None:
    purchase_id = add_purchase(app, "completed")
    add_entry(app, 1_000, purchase_id)
    add_entry(app, 234)
    page = alice.get(f"/admin/credits/return?purchase={purchase_id}").text
    assert "Paid. 1,000 credits from this purchase were added to your balance." in page
    assert "1,234" in page
    assert "data-watch" not in page


def test_cancelled_page_has_its_own_words_and_the_way_back(app: Flask, alice: FlaskClient) -> None:
    purchase_id = add_purchase(app, "pending")
    page = alice.get(f"/admin/credits/cancelled?purchase={purchase_id}").text
    assert "You left the payment page" in page
    assert "http://127.0.0.1:9/c/pay/cs_test_1" in page
    assert "waiting for the payment" not in page


def test_cancelled_page_does_not_deny_a_payment(app: Flask, alice: FlaskClient) -> None:
    purchase_id = add_purchase(app, "completed")
    add_entry(app, 1_000, purchase_id)
    page = alice.get(f"/admin/credits/cancelled?purchase={purchase_id}").text
    assert "Paid. 1,000 credits" in page
    assert "You left" not in page


@pytest.mark.parametrize("page", ["return", "cancelled"])
def test_F09_purchase_of_somebody_else_is_not_found(
    app: Flask, alice: FlaskClient, page: str
) -> None:
    foreign = add_purchase(app, "completed", user_id="bob")
    answers = [
        alice.get(f"/admin/credits/{page}?purchase={id}")
        for id in (foreign, str(uuid.uuid4()), "{PURCHASE_ID}", "'\"<b>", "")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


def test_history_shows_own_purchases_and_ledger_only(app: Flask, alice: FlaskClient) -> None:
    own, foreign = add_purchase(app, "completed"), add_purchase(app, "failed", user_id="bob")
    add_entry(app, -250)
    page = alice.get("/admin/credits/history").text
    assert own in page
    assert foreign not in page
    assert "completed" in page
    assert "\N{MINUS SIGN}250" in page


def test_negative_balance_is_shown_as_what_it_is(app: Flask, alice: FlaskClient) -> None:
    add_entry(app, -800)
    page = alice.get("/admin/credits").text
    assert "\N{MINUS SIGN}800" in page
    assert "refunded or disputed after its credits were spent" in page


def test_spending_from_the_page(app: Flask, alice: FlaskClient) -> None:
    add_entry(app, 500)
    token = csrf_token(alice, "/admin/credits")

    def spend(credits: str, csrf_token: str = token) -> str:
        form = {"credits": credits, "csrf_token": csrf_token}
        return alice.post("/admin/credits/spend", data=form, follow_redirects=True).text

    assert "You spent 200 credits." in spend("200")
    assert "You have 300 credits, which is less than 301." in spend("301")
    for nonsense in ("0", "-5", "1.5", "9" * 30, "", "many"):
        assert "whole number from 1 to" in spend(nonsense)
    assert "too old" in spend("200", csrf_token="")
    with app.app_context():
        assert balance_of("alice") == 300
