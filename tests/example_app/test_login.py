from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from example_app import create_app
from tests.example_app.conftest import csrf_token, log_in

BALANCE = "/api/v1/credits/balance"


@pytest.mark.parametrize("name", ["alice", "bob", "admin"])
def test_demo_user_logs_in_with_the_form(client: FlaskClient, name: str) -> None:
    assert log_in(client, name) == 302
    assert client.get(BALANCE).json == {"user_id": name, "balance": 0}


@pytest.mark.parametrize("name", ["alice", "bob", "admin"])
def test_demo_user_is_known_by_the_bearer_token(client: FlaskClient, name: str) -> None:
    answer = client.get(BALANCE, headers={"Authorization": f"Bearer demo-{name}"})
    assert answer.json == {"user_id": name, "balance": 0}


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer",
        "Bearer demo-eve",
        "Bearer Demo-alice",
        "Basic YWxpY2U6ZGVtbw==",
        "demo-alice",
    ],
)
def test_anybody_else_gets_401_as_json(client: FlaskClient, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = client.get(BALANCE, headers=headers)
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None and answer.json["code"] == "authentication_required"
    assert "demo" not in answer.text


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("eve", "demo"), ("", "")])
def test_wrong_password_is_refused(client: FlaskClient, name: str, password: str) -> None:
    assert log_in(client, name, password) == 401
    assert client.get(BALANCE).status_code == 401


def test_login_form_needs_its_csrf_token(client: FlaskClient) -> None:
    answer = client.post("/login", data={"username": "alice", "password": "demo"})
    assert answer.status_code == 400
    assert client.get(BALANCE).status_code == 401


def test_logout_is_a_post_with_a_token(client: FlaskClient) -> None:
    log_in(client, "alice")
    assert client.get("/logout").status_code == 405
    assert client.post("/logout").status_code == 400
    assert client.get(BALANCE).status_code == 200
    token = csrf_token(client, "/")
    assert client.post("/logout", data={"csrf_token": token}).status_code == 302
    assert client.get(BALANCE).status_code == 401


def test_login_leads_back_to_the_page_that_asked_for_it(client: FlaskClient) -> None:
    client.get("/admin/credits/history")
    token = csrf_token(client)
    form = {"username": "alice", "password": "demo", "csrf_token": token}
    assert client.post("/login", data=form).location == "/admin/credits/history"


def test_F06_login_never_leads_to_another_site(client: FlaskClient) -> None:
    token = csrf_token(client, "/login?next=https://evil.example/")
    form = {"username": "alice", "password": "demo", "csrf_token": token}
    answer = client.post("/login?next=https://evil.example/", data=form)
    assert answer.location == "/admin/credits"


@pytest.fixture
def client_at_stripe(client: FlaskClient, settings: dict[str, object]) -> FlaskClient:
    """The same database and cookies, but an app that would talk to Stripe itself."""
    log_in(client, "alice")
    del settings["STRIPE_CREDITS_API_BASE"]
    elsewhere = create_app(settings).test_client()
    cookie = client.get_cookie("session")
    assert cookie is not None
    elsewhere.set_cookie("session", cookie.value)
    return elsewhere


def test_away_from_the_sandbox_demo_users_are_refused_and_told_why(
    client: FlaskClient, client_at_stripe: FlaskClient
) -> None:
    why = "only while the app runs on the sandbox"
    with_cookie = client_at_stripe.get(BALANCE)
    assert with_cookie.status_code == 401
    with_token = client_at_stripe.get(BALANCE, headers={"Authorization": "Bearer demo-alice"})
    assert with_token.status_code == 401
    assert why in with_token.text
    form = {"username": "alice", "password": "demo", "csrf_token": csrf_token(client, "/")}
    with_form = client_at_stripe.post("/login", data=form)
    assert with_form.status_code == 403
    assert why in with_form.text
    assert client_at_stripe.get(BALANCE).status_code == 401
    assert 'name="password"' not in client_at_stripe.get("/login").text


def test_away_from_the_sandbox_demo_users_are_not_made(settings: dict[str, object]) -> None:
    settings["STRIPE_CREDITS_API_BASE"] = "https://stripe.example.com"
    result = create_app(settings).test_cli_runner().invoke(args=["add-demo-users"])
    assert result.exit_code == 1
    assert "only while the app runs on the sandbox" in result.output
