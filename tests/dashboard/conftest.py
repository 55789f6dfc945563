"""A shop with the dashboard, on the sandbox, behind a real server: one for each module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from flask_stripe_credits.testing import StripeSandbox

from ..hosts import PREFIX, Host, make_host
from ..sandbox.chromium import PATIENCE_MILLISECONDS, browser
from ..serving import serving

__all__ = ["browser"]

OPERATOR = "olga"
DASHBOARD = "/credits/dashboard"


@dataclass
class Shop:
    """A host whose operator is signed in, and its Stripe."""

    host: Host
    stripe: StripeSandbox
    url: str

    def sell(self, package_code: str = "starter", user: str = "alice") -> dict[str, Any]:
        """A purchase that is paid and granted."""
        purchase = self.open(package_code, user)
        self.stripe.pay(purchase["stripe_checkout_session_id"])
        self.stripe.deliver()
        return self.host.purchase(purchase["id"])

    def open(self, package_code: str = "starter", user: str = "alice") -> dict[str, Any]:
        """A purchase whose checkout is open."""
        self.host.user = user
        answer = self.host.client.post(f"{PREFIX}/purchase", json={"package_code": package_code})
        assert answer.status_code in (200, 201), answer.text
        self.host.user = OPERATOR
        return self.host.purchase(answer.json["purchase_id"])

    def log(self, **where: Any) -> list[dict[str, Any]]:
        return self.host.rows(self.host.credits.AuditLog, **where)


def make_dashboard_host(database_url: str, **config: Any) -> Host:
    config = {"STRIPE_CREDITS_PAGES": "/credits"} | config
    host = make_host(database_url, **config)
    host.credits.admin_check(lambda: host.user == OPERATOR)
    host.user = OPERATOR
    host.load_packages()
    return host


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    database = tmp_path_factory.mktemp("shop") / "shop.sqlite"
    host = make_dashboard_host(f"sqlite:///{database}")
    with StripeSandbox(host.app) as stripe, serving(host.app) as url:
        yield Shop(host, stripe, url)


@pytest.fixture
def page(browser: Browser, shop: Shop) -> Iterator[Page]:
    """A fresh window that fails the test when a page's script or policy fails."""
    context = browser.new_context(
        viewport={"width": 1200, "height": 850}, base_url=shop.url, reduced_motion="reduce"
    )
    yield from watched(context.new_page())
    context.close()


@pytest.fixture
def plain_page(browser: Browser, shop: Shop) -> Iterator[Page]:
    """The same on a phone, without JavaScript."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, base_url=shop.url, java_script_enabled=False
    )
    yield from watched(context.new_page())
    context.close()


def watched(page: Page) -> Iterator[Page]:
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if "Security" in message.text else None,
    )
    yield page
    assert problems == []
