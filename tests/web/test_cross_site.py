"""F05: requests that another site makes a buyer's browser send."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from werkzeug.test import TestResponse

from ..hosts import PREFIX, Host
from ..stripe_stub import NewShop

URL = f"{PREFIX}/purchase"
BODY = {"package_code": "starter"}


def buy(host: Host, client: Any = None, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer: TestResponse = (client or host.client).post(URL, json=BODY, headers=named)
    return answer


def refused(host: Host, answer: TestResponse, code: str = "cross_site") -> bool:
    assert answer.content_type == "application/problem+json"
    assert host.purchases() == []
    return (answer.json or {})["code"] == code


@pytest.fixture
def public(new_shop: NewShop) -> Host:
    return new_shop(
        STRIPE_CREDITS_BASE_URL="https://shop.test",
        STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS="https://shop.test, https://www.shop.test",
        STRIPE_CREDITS_SUCCESS_URL="/thanks",
        STRIPE_CREDITS_CANCEL_URL="/",
    )


def test_F05_a_foreign_origin_is_refused(public: Host) -> None:
    for origin in (
        *("https://evil.test", "http://evil.test", "null", "", "file://", "https://shop.test.evil"),
        *("https://shop.test@evil.test", "https://shop.test:8443", "http://shop.test"),
        *("https://sub.shop.test", "https://SHOP.test.evil", "https://localhost.evil.test"),
        *("http://localhost:3000", "chrome-extension://abc", "https://shop.test\\.evil.test"),
    ):
        for extra in ({}, {"Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "cross-site"}):
            answer = buy(public, Origin=origin, **extra)
            assert answer.status_code == 403, origin
            assert refused(public, answer)


@pytest.mark.parametrize("origin", ["https://shop.test", "https://www.shop.test"])
def test_F05_our_own_origins_are_let_through(public: Host, origin: str) -> None:
    assert buy(public, Origin=origin, Sec_Fetch_Site="same-origin").status_code == 201
    assert buy(public, Origin=origin, Sec_Fetch_Site="cross-site").status_code == 200
    assert buy(public, Origin=origin).status_code == 200


def test_F05_the_origin_of_the_request_itself_is_let_through(public: Host) -> None:
    assert buy(public, Host="app.test", Origin="http://app.test").status_code == 201


def test_F05_what_the_browser_says_of_the_site_counts(public: Host) -> None:
    for site in ("cross-site", "same-site", "", "nonsense", "Same-Origin-ish"):
        assert refused(public, buy(public, Sec_Fetch_Site=site))
    for site in ("same-origin", "none"):
        assert buy(public, Sec_Fetch_Site=site).status_code in (200, 201)


def test_F05_without_allowed_origins_only_loopback_is_ours(small_shop: Host) -> None:
    assert refused(small_shop, buy(small_shop, Origin="https://shop.test"))
    assert refused(small_shop, buy(small_shop, Origin="http://localhost.evil.test"))
    assert buy(small_shop, Origin="http://localhost:3000").status_code == 201


def test_F05_a_program_without_origin_is_let_through(public: Host) -> None:
    assert buy(public).status_code == 201
    assert buy(public, Authorization="Bearer token").status_code == 200


def test_F05_a_bearer_token_does_not_make_a_foreign_page_ours(public: Host) -> None:
    answer = buy(public, Authorization="Bearer token", Origin="https://evil.test")
    assert refused(public, answer)


def test_F05_a_form_can_never_buy(public: Host) -> None:
    for content_type, data in (
        ("application/x-www-form-urlencoded", "package_code=starter"),
        ("text/plain", '{"package_code": "starter"}'),
        ("multipart/form-data; boundary=x", "--x--"),
    ):
        answer = public.client.post(URL, data=data, content_type=content_type)
        assert answer.status_code == 415
        assert public.purchases() == []


def test_E24_no_other_site_may_read_the_answers(public: Host) -> None:
    for path in ("packages", "history", "openapi.json"):
        for method in ("GET", "OPTIONS"):
            answer = public.client.open(
                f"{PREFIX}/{path}", method=method, headers={"Origin": "https://evil.test"}
            )
            assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


# With the host's Flask-WTF.


def protected(host: Host, **config: Any) -> Flask:
    host.app.config.update(config)
    CSRFProtect(host.app)
    host.app.add_url_rule("/token", view_func=lambda: generate_csrf())

    @host.app.post("/own-form")
    def own_form() -> str:
        return "done"

    return host.app


def test_F05_a_token_of_the_hosts_is_asked_for(small_shop: Host) -> None:
    app = protected(small_shop)
    client = app.test_client()
    token = client.get("/token").text
    for answer in (
        buy(small_shop, client),
        buy(small_shop, client, X_CSRFToken="wrong"),
        buy(small_shop, client, X_CSRFToken=""),
        buy(small_shop, app.test_client(), X_CSRFToken=token),
    ):
        assert answer.status_code == 400
        assert refused(small_shop, answer, "bad_request")
    assert buy(small_shop, client, X_CSRFToken=token).status_code == 201


def test_F05_a_bearer_token_needs_no_csrf_token(small_shop: Host) -> None:
    protected(small_shop)
    assert buy(small_shop, Authorization="Bearer token").status_code == 201


def test_F05_reading_needs_no_csrf_token(small_shop: Host) -> None:
    protected(small_shop)
    for path in ("packages", "history", "openapi.json"):
        assert small_shop.client.get(f"{PREFIX}/{path}").status_code == 200


def test_E21_the_webhook_needs_no_csrf_token_and_the_host_keeps_its_own_check(
    small_shop: Host,
) -> None:
    protected(small_shop)
    assert small_shop.pay(small_shop.add_purchase()).status_code == 200
    assert small_shop.ledger() == [1000]
    assert small_shop.client.post("/own-form").status_code == 400


def test_F05_a_host_that_turned_its_check_off_is_not_overruled(small_shop: Host) -> None:
    protected(small_shop, WTF_CSRF_ENABLED=False)
    assert buy(small_shop).status_code == 201


def test_F05_a_host_that_checks_by_hand_is_checked_here_all_the_same(small_shop: Host) -> None:
    app = protected(small_shop, WTF_CSRF_CHECK_DEFAULT=False)
    assert small_shop.client.post("/own-form").status_code == 200
    client = app.test_client()
    assert refused(small_shop, buy(small_shop, client), "bad_request")
    assert buy(small_shop, client, X_CSRFToken=client.get("/token").text).status_code == 201


def test_the_hosts_page_for_csrf_errors_is_for_its_own_forms(small_shop: Host) -> None:
    app = protected(small_shop)

    @app.errorhandler(CSRFError)
    def page(error: CSRFError) -> tuple[str, int]:
        return "<h1>The form has expired</h1>", 400

    assert small_shop.client.post("/own-form").text.startswith("<h1>")
    assert refused(small_shop, buy(small_shop), "bad_request")
