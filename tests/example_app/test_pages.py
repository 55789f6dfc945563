"""The example app's own pages, and those of flask-stripe-credits inside its layout."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient

from example_app.credit_manager import LedgerEntry, balance_of
from example_app.extensions import db
from tests.example_app.conftest import csrf_token, log_in


@pytest.fixture
def alice(client: FlaskClient) -> FlaskClient:
    log_in(client, "alice")
    return client


def add_entry(app: Flask, credits: int) -> None:
    with app.app_context():
        db.session.add(
            LedgerEntry(id=str(uuid.uuid4()), user_id="alice", credits=credits, reason="refund")
        )
        db.session.commit()


def test_the_shop_is_inside_the_apps_own_layout(app: Flask, alice: FlaskClient) -> None:
    app.test_cli_runner().invoke(args=["credits", "packages", "load"])
    add_entry(app, 1_234)
    page = alice.get("/admin/credits").text
    assert "<title>Buy credits · Example app</title>" in page
    for shown in ("Sandbox demo", "Log out", "Starter Pack", "$350.00", "1,234"):
        assert shown in page
    assert page.count("<!doctype html>") == page.count("<main") == 1
    assert page.count('action="/admin/credits/buy"') == 4


def test_errors_of_the_shop_are_in_the_apps_layout_too(alice: FlaskClient) -> None:
    answer = alice.get(f"/admin/credits/purchases/{uuid.uuid4()}")
    assert answer.status_code == 404
    assert "Example app</title>" in answer.text


def test_every_answer_carries_the_safety_headers(alice: FlaskClient) -> None:
    for path in ("/", "/login", "/nowhere", "/admin/credits", "/static/app.css"):
        headers = alice.get(path, buffered=True).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert "script-src 'self'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"], path
    assert alice.get("/").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["", "/history", "/history.csv", f"/purchases/{uuid.UUID(int=1)}", "/dashboard"]
)
def test_pages_are_for_users(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/admin/credits{path}")
    assert answer.status_code == 302
    assert answer.location == "/login"


def test_home_shows_the_ledger(app: Flask, alice: FlaskClient, client: FlaskClient) -> None:
    add_entry(app, -250)
    page = alice.get("/").text
    assert "\N{MINUS SIGN}250" in page
    assert "refunded or disputed after its credits were spent" in page
    assert "\N{MINUS SIGN}250" in alice.get("/admin/credits").text


def test_spending_from_the_page(app: Flask, alice: FlaskClient) -> None:
    add_entry(app, 500)
    token = csrf_token(alice, "/")

    def spend(credits: str, csrf_token: str = token) -> str:
        form = {"credits": credits, "csrf_token": csrf_token}
        return alice.post("/spend", data=form, follow_redirects=True).text

    assert "You spent 200 credits." in spend("200")
    assert "You have 300 credits, which is less than 301." in spend("301")
    for nonsense in ("0", "-5", "1.5", "9" * 30, "", "many"):
        assert "whole number from 1 to" in spend(nonsense)
    assert "too old" in spend("200", csrf_token="")
    with app.app_context():
        assert balance_of("alice") == 300


DASHBOARD = "/admin/credits/dashboard"


def test_buyers_get_no_dashboard(alice: FlaskClient) -> None:
    refused = alice.get(DASHBOARD)
    assert refused.status_code == 403
    assert "Example app</title>" in refused.text
    assert DASHBOARD not in alice.get("/admin/credits").text


def test_the_administrator_gets_it_in_the_apps_layout(client: FlaskClient) -> None:
    log_in(client, "admin")
    assert DASHBOARD in client.get("/admin/credits").text
    page = client.get(DASHBOARD)
    assert page.status_code == 200
    assert "Nothing was sold in this period" in page.text
    assert page.text.count("<!doctype html>") == page.text.count("<main") == 1


def test_the_dashboards_forms_carry_the_apps_own_token(app: Flask, client: FlaskClient) -> None:
    app.test_cli_runner().invoke(args=["credits", "packages", "load"])
    log_in(client, "admin")
    address = f"{DASHBOARD}/packages/starter"
    shown = "1000 usd 1000 yes"
    wanted = {"price": "12.00", "credits": "1000", "is_active": "yes", "shown": shown}
    token = csrf_token(client, f"{address}?{urlencode(wanted)}")
    assert client.post(address, data=wanted).status_code == 400
    assert "$10.00" in client.get("/admin/credits").text
    assert client.post(address, data=wanted | {"csrf_token": token}).status_code == 303
    assert "Starter Pack was changed" in client.get(f"{DASHBOARD}/packages").text
    assert "$12.00" in client.get("/admin/credits").text
