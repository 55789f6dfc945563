"""Who gets in, what a form has to carry, and what every answer says to the browser."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Response, request
from flask_login import LoginManager, UserMixin
from flask_wtf import CSRFProtect

from flask_stripe_credits import StripeCredits, errors
from flask_stripe_credits.config import read_settings
from flask_stripe_credits.web.pages.assets import FOLDER
from flask_stripe_credits.web.pages.headers import content_security_policy
from tests.hosts import Host, make_host
from tests.web.pages.conftest import PAGES, OpenShop, buyer_of, titled

PREFIX = "/api/v1/billing/credits"
TOO_OLD = "This page was open for too long. Please press the button again."


class TestFormTokens:
    def test_F05_a_form_without_token_buys_nothing(self, small_pages: Host) -> None:
        buyer = buyer_of(small_pages)
        form = buyer.form()
        for token in ("", "x", form["csrf_token"][:-1], form["csrf_token"] + "x"):
            answer = buyer.send(form | {"csrf_token": token})
            assert answer.status_code == 400
            card = answer.text.partition('id="package-starter"')[2].partition("</li>")[0]
            assert TOO_OLD in card
        del form["csrf_token"]
        assert buyer.send(form).status_code == 400
        assert small_pages.purchases() == []

    def test_F05_a_token_is_of_one_session_and_one_user(self, small_pages: Host) -> None:
        alice, other = buyer_of(small_pages), buyer_of(small_pages)
        form, foreign = alice.form(), other.form()
        assert alice.send(form | {"csrf_token": foreign["csrf_token"]}).status_code == 400
        small_pages.user = "bob"
        assert alice.send(form).status_code == 400
        assert small_pages.purchases() == []
        small_pages.user = "alice"
        assert alice.send(form).status_code == 303

    def test_F05_other_sites_are_refused_even_with_a_token(self, small_pages: Host) -> None:
        buyer = buyer_of(small_pages)
        form = buyer.form()
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            assert buyer.send(form, **headers).status_code == 403
        assert small_pages.purchases() == []
        own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
        assert buyer.send(form, **own).status_code == 303

    def test_tokens_outlive_a_new_secret_key(self, small_pages: Host) -> None:
        buyer = buyer_of(small_pages)
        form = buyer.form()
        app = small_pages.app
        if "SECRET_KEY_FALLBACKS" not in app.default_config:
            pytest.skip("before Flask 3.1 a new key ends every session")
        app.config["SECRET_KEY_FALLBACKS"] = [app.config["SECRET_KEY"]]
        app.config["SECRET_KEY"] = "another one for tests"
        assert buyer.send(form).status_code == 303
        app.config["SECRET_KEY_FALLBACKS"] = None
        assert buyer_of(small_pages).send(form).status_code == 400

    def test_without_a_secret_key_the_log_says_what_is_missing(
        self, open_shop: OpenShop, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = open_shop(SECRET_KEY=None)
        assert host.client.get(PAGES).status_code == 500
        assert "need the app's SECRET_KEY, which isn't set" in caplog.text
        assert host.client.get(f"{PAGES}/history").status_code == 200

    @pytest.mark.parametrize("late", [False, True])
    @pytest.mark.parametrize("by_default", [False, True])
    def test_flask_wtfs_is_used_where_the_host_has_it(
        self, open_shop: OpenShop, late: bool, by_default: bool
    ) -> None:
        csrf = CSRFProtect()

        def init(host: Host) -> None:
            csrf.init_app(host.app)

        config = {"WTF_CSRF_FIELD_NAME": "my_token", "WTF_CSRF_CHECK_DEFAULT": by_default}
        host = open_shop(before_init=None if late else init, **config)
        if late:
            init(host)
        buyer = buyer_of(host)
        form = buyer.form()
        assert "csrf_token" not in form
        for token in ("", "x"):
            answer = buyer.send(form | {"my_token": token})
            assert answer.status_code == 400
            assert TOO_OLD in answer.text
        assert host.purchases() == []
        assert buyer.send(form).status_code == 303
        assert len(host.purchases()) == 1

    def test_where_the_host_has_switched_it_off_there_is_still_ours(
        self, open_shop: OpenShop
    ) -> None:
        def init(host: Host) -> None:
            CSRFProtect(host.app)

        host = open_shop(before_init=init, WTF_CSRF_ENABLED=False)
        form = buyer_of(host).form()
        assert buyer_of(host).send(form).status_code == 400
        assert host.purchases() == []
        assert buyer_of(host).press().status_code == 303

    def test_a_form_of_somebody_who_is_signed_out_meanwhile(self, open_shop: OpenShop) -> None:
        def init(host: Host) -> None:
            CSRFProtect(host.app)

        host = open_shop(before_init=init)
        form = buyer_of(host).form()
        host.user = None
        assert buyer_of(host).send(form | {"csrf_token": "x"}).status_code == 401
        assert host.purchases() == []


class TestVisitors:
    PATHS = ("", "/history", "/history.csv", "/purchases/x", "/purchases/x/receipt", "/buy")

    def test_nobody_is_asked_to_sign_in(self, small_pages: Host) -> None:
        small_pages.user = None
        for path in self.PATHS:
            answer = small_pages.client.get(PAGES + path)
            assert answer.status_code == 401, path
            assert titled(answer.text) == "Please sign in"

    def test_the_hosts_own_page_asks_to_sign_in(
        self, small_pages: Host, host_templates: Path
    ) -> None:
        small_pages.app.template_folder = str(host_templates.parent)
        (host_templates / "sign_in.html").write_text('<a href="/door">{{ title }}</a>')
        small_pages.user = None
        assert small_pages.client.get(PAGES).text == '<a href="/door">Please sign in</a>'

    @pytest.mark.parametrize("late", [False, True])
    def test_flask_login_leads_to_its_login_page_and_back(
        self, open_shop: OpenShop, late: bool
    ) -> None:
        login = LoginManager()
        login.login_view = "door"
        login.user_loader(lambda user_id: UserMixin())

        def init(host: Host) -> None:
            host.app.add_url_rule("/door", "door", lambda: "knock")
            login.init_app(host.app)

        host = open_shop(before_init=None if late else init, USE_SESSION_FOR_NEXT=False)
        if late:
            init(host)
        host.user = None
        answer = host.client.get(f"{PAGES}/history")
        assert (answer.status_code, answer.location) == (302, "/door?next=%2Fcredits%2Fhistory")
        pressed = host.client.post(f"{PAGES}/buy", data={"package_code": "starter"})
        assert (pressed.status_code, pressed.location) == (302, "/door?next=%2Fcredits%2Fbuy")
        host.user = "alice"
        back = host.client.get(f"{PAGES}/buy")
        assert (back.status_code, back.location) == (303, PAGES)
        assert host.purchases() == []


class TestHeaders:
    def test_every_answer_is_protected_and_not_kept(self, small_pages: Host) -> None:
        bought = small_pages.add_purchase()
        client = small_pages.client
        answers = [
            client.get(PAGES + path, buffered=True)
            for path in ("", "/history", "/history.csv", f"/purchases/{bought['id']}", "/x", "/buy")
        ]
        answers += [client.post(f"{PAGES}/buy"), client.get(f"{PAGES}/purchases/x")]
        small_pages.user = None
        answers.append(client.get(PAGES))
        for answer in answers:
            if answer.request.path == f"{PAGES}/x":
                assert answer.status_code == 404  # the host's own
                continue
            headers = answer.headers
            assert headers["Cache-Control"] == "no-store", answer.request.path
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"
            policy = headers["Content-Security-Policy"]
            for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
                assert directive in policy
            assert "unsafe" not in policy

    def test_form_action_names_the_payment_page(self) -> None:
        for api_base, expected in (
            (None, "https://checkout.stripe.com"),
            ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
        ):
            settings = read_settings({"STRIPE_CREDITS_API_BASE": api_base}, environ={})
            assert f"; form-action 'self' {expected};" in content_security_policy(settings)

    def test_a_host_adds_what_its_own_layout_needs(self, small_pages: Host) -> None:
        @small_pages.app.after_request
        def allow_our_fonts(response: Response) -> Response:
            if request.blueprint == "stripe_credits_pages":
                response.content_security_policy.font_src = "'self' https://fonts.example.com"
            return response

        policy = small_pages.client.get(PAGES).headers["Content-Security-Policy"]
        assert "font-src 'self' https://fonts.example.com" in policy
        assert "form-action 'self' http://127.0.0.1:" in policy

    def test_nothing_is_inline(self, small_pages: Host) -> None:
        bought = small_pages.add_purchase()
        for path in ("", "/history", f"/purchases/{bought['id']}", "/purchases/x"):
            page = small_pages.client.get(PAGES + path).text
            assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page), path
            assert all("src=" in script for script in re.findall(r"<script[^>]*>", page))
            assert not re.search(r'(src|href)="(https?:)?//(?!checkout\.test)', page), path

    def test_files_are_kept_for_a_year_under_an_address_of_their_own(
        self, small_pages: Host
    ) -> None:
        client = small_pages.client
        page = client.get(PAGES).text
        found = re.findall(r'(?:src|href)="(/credits/static/[^"]+)"', page)
        assert len(found) == 2
        for address in found:
            answer = client.get(address, buffered=True)
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Set-Cookie" not in answer.headers
            other = client.get(address.replace("?v=", "?v=0"), buffered=True)
            assert (other.status_code, other.headers["Cache-Control"]) == (200, "no-cache")
        for path in (
            "../blueprint.py",
            "..%2fblueprint.py",
            "nothing.css",
            "%00",
            "no/../pages.css",
        ):
            assert client.get(f"{PAGES}/static/{path}").status_code == 404, path
        assert (FOLDER / "pages.css").is_file()


class TestSettings:
    def test_pages_are_off_unless_told(self) -> None:
        host = make_host("sqlite://")
        assert "stripe_credits_pages" not in host.app.blueprints
        assert host.client.get(PAGES).status_code == 404
        for value in (None, "", False):
            assert read_settings({"STRIPE_CREDITS_PAGES": value}, environ={}).pages is None

    @pytest.mark.parametrize("value", ["credits", "/credits/", "/", "//x", "/a b", "/<id>", True])
    def test_a_prefix_that_is_none_is_refused(self, value: Any) -> None:
        with pytest.raises(errors.ConfigurationError, match="STRIPE_CREDITS_PAGES"):
            read_settings({"STRIPE_CREDITS_PAGES": value}, environ={})

    @pytest.mark.parametrize("value", [PREFIX, "/api/v1", "/api", f"{PREFIX}/pages"])
    def test_pages_and_api_lie_apart(self, value: str) -> None:
        with pytest.raises(errors.ConfigurationError, match="must be apart"):
            read_settings({"STRIPE_CREDITS_PAGES": value}, environ={})
        read_settings({"STRIPE_CREDITS_PAGES": f"{PREFIX}-pages"}, environ={})

    def test_with_pages_the_api_leads_back_to_them_too(self, open_shop: OpenShop) -> None:
        host = open_shop(STRIPE_CREDITS_BASE_URL="https://shop.example.com/app")
        answer = host.client.post(f"{PREFIX}/purchase", json={"package_code": "starter"})
        assert answer.status_code == 201
        (bought,) = host.purchases()
        assert bought["checkout_params"]["success_url"] == (
            f"https://shop.example.com/app{PAGES}/purchases/{bought['id']}?returned=paid"
        )


def test_the_balance_loader_is_returned_as_it_was() -> None:
    def loader(user_id: str) -> int:
        return 1

    assert StripeCredits().balance_loader(loader) is loader


def test_a_database_that_is_away_is_a_page_too(
    small_pages: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with small_pages.app.app_context():
        small_pages.credits.Package.__table__.drop(small_pages.db.engine)
    with caplog.at_level(logging.ERROR):
        answer = small_pages.client.get(PAGES)
    assert answer.status_code == 503
    assert titled(answer.text) == "Just a moment"
    assert "credit_packages" not in answer.text


def test_layout_and_blocks_of_the_host_are_used(small_pages: Host, host_templates: Path) -> None:
    small_pages.app.template_folder = str(host_templates.parent)
    (host_templates.parent / "base.html").write_text(
        "<html><title>{% block title %}{% endblock %} | Acme</title>"
        "{% block head %}{% endblock %}<body>{% block content %}{% endblock %}</body></html>"
    )
    (host_templates / "layout.html").write_text(
        '{% extends "base.html" %}'
        "{% block title %}{% block credits_title %}{% endblock %}{% endblock %}"
        '{% block head %}{% include "flask_stripe_credits/_head.html" %}{% endblock %}'
        '{% block content %}<div class="fsc">{% block credits_content %}{% endblock %}</div>'
        "{% endblock %}"
    )
    page = buyer_of(small_pages).get()
    assert titled(page) == "Buy credits | Acme"
    assert page.count("<html") == 1
    assert "pages.css?v=" in page
    assert "Starter Pack" in page
    assert "Acme" in buyer_of(small_pages).get("/purchases/x", status=404)


def test_a_host_replaces_one_block_of_a_page(small_pages: Host, host_templates: Path) -> None:
    small_pages.app.template_folder = str(host_templates.parent)
    for page, block in (
        ("shop", "credits_packages"),
        ("history", "credits_purchases"),
        ("purchase", "credits_purchase"),
    ):
        (host_templates / f"{page}.html").write_text(
            f'{{% extends "flask_stripe_credits/original/{page}.html" %}}'
            f"{{% block {block} %}}<p>Credits never expire.</p>{{{{ super() }}}}{{% endblock %}}"
        )
    bought = small_pages.add_purchase()
    for path in ("", "/history", f"/purchases/{bought['id']}"):
        page = buyer_of(small_pages).get(path)
        assert "Credits never expire." in page
        assert "Starter Pack" in page
    refused = buyer_of(small_pages).press(unit_amount="1")
    assert refused.text.count('role="alert"') == 1
