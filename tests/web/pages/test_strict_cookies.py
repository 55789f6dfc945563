"""``SESSION_COOKIE_SAMESITE="Strict"``: whom Stripe sends back is still signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from playwright.sync_api import Browser, expect

from flask_stripe_credits.sandbox import Sandbox
from tests.hosts import make_host
from tests.sandbox.chromium import MARKS, browser
from tests.serving import serving
from tests.web.pages.conftest import PAGES, OpenShop, titled

__all__ = ["browser"]

# The machine may be busy with the rest of the suite.
expect.set_options(timeout=20_000)

SENT_BACK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


# The other tests of this file need no browser.
def in_chromium(test: Any) -> Any:
    for mark in MARKS:
        test = mark(test)
    return test


@pytest.fixture
def shop_address(tmp_path: Path, _running_sandbox: Sandbox) -> Iterator[str]:
    """Of a shop whose users are known by a strict cookie."""
    host = make_host(
        f"sqlite:///{tmp_path / 'shop.sqlite'}",
        STRIPE_CREDITS_API_BASE=_running_sandbox.url,
        STRIPE_CREDITS_PAGES=PAGES,
        STRIPE_CREDITS_SUCCESS_URL=None,
        STRIPE_CREDITS_CANCEL_URL=None,
        SESSION_COOKIE_SAMESITE="Strict",
    )
    host.credits.user_id_loader(lambda: flask.session.get("user"))
    host.app.add_url_rule("/sign-in", view_func=lambda: flask.session.update(user="alice") or "in")
    host.load_packages()
    with serving(host.app) as url:
        # To a browser, the sandbox on 127.0.0.1 is another site than this one.
        yield url.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@in_chromium
def test_a_buyer_comes_back_signed_in(browser: Browser, shop_address: str, scripts: bool) -> None:
    url = shop_address
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.goto(url + PAGES)
    page.get_by_role("button", name="Buy Starter Pack").click()
    expect(page.get_by_role("heading", name="Payment details")).to_be_visible()
    page.get_by_role("link", name=re.compile("Back to")).click()
    expect(page.get_by_test_id("outcome")).to_have_text("You left the payment page")
    assert page.url.startswith(url)
    # Not signed in at all: asked to sign in, and not sent round and round.
    context.clear_cookies()
    page.get_by_role("link", name="Continue to payment").click()
    page.get_by_role("link", name=re.compile("Back to")).click()
    expect(page.get_by_role("heading", name="Please sign in")).to_be_visible()
    context.close()


def test_only_the_way_back_from_another_site_is_led_here_again(open_shop: OpenShop) -> None:
    host = open_shop()
    purchase = host.add_purchase()
    path = f"{PAGES}/purchases/{purchase['id']}?returned=paid&x=<b>"
    host.user = None
    client = host.client

    def look(path: str = path, **headers: Any) -> Any:
        return client.get(path, headers=headers)

    again = look(**SENT_BACK)
    assert (again.status_code, again.headers["Cache-Control"]) == (200, "no-store")
    assert titled(again.text) == "Just a moment"
    (address,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]*)"', again.text)
    assert address == f"{PAGES}/purchases/{purchase['id']}?returned=paid&amp;x=&lt;b&gt;"
    for headers in (
        {},
        SENT_BACK | {"Sec-Fetch-Site": "same-origin"},
        SENT_BACK | {"Sec-Fetch-Site": "none"},
        SENT_BACK | {"Sec-Fetch-Mode": "no-cors"},
    ):
        assert look(**headers).status_code == 401, headers
    for elsewhere in (f"{PAGES}/history", f"{PAGES}/purchases/{purchase['id']}/state"):
        assert look(elsewhere, **SENT_BACK).status_code == 401
    host.user = "alice"
    assert 'data-testid="outcome"' in look(**SENT_BACK).text


def test_below_another_path_it_leads_there(open_shop: OpenShop) -> None:
    host = open_shop()
    host.user = None
    path = f"{PAGES}/purchases/{host.add_purchase()['id']}"
    answer = host.client.get(path, headers=SENT_BACK, environ_overrides={"SCRIPT_NAME": "/shop"})
    assert f'url=/shop{path}"' in answer.text
