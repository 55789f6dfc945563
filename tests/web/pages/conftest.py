"""A shop with the pages, and a buyer without JavaScript."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.hosts import Host
from tests.stripe_stub import NewShop

PAGES = "/credits"

OpenShop = Callable[..., Host]


@dataclass
class Buyer:
    """A browser without scripts: it keeps cookies and sends forms as the page has them."""

    client: FlaskClient
    address: str = "http://localhost"

    def get(self, path: str = "", status: int = 200) -> str:
        """Return the text of a page of ours."""
        answer = self.client.get(PAGES + path, base_url=self.address)
        assert answer.status_code == status, answer.text
        return answer.text

    def form(self, package_code: str = "starter") -> dict[str, str]:
        """What the package's button would send."""
        for form in re.findall(r"<form[^>]*/buy.*?</form>", self.get(), flags=re.S):
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
            if fields["package_code"] == package_code:
                return {name: html.unescape(value) for name, value in fields.items()}
        raise AssertionError(f"{package_code} isn't for sale")

    def press(self, package_code: str = "starter", **changes: str) -> TestResponse:
        """Look at the shop and press a package's button."""
        return self.send(self.form(package_code) | changes)

    def send(self, form: dict[str, str], **headers: str) -> TestResponse:
        return self.client.post(f"{PAGES}/buy", data=form, headers=headers, base_url=self.address)


@pytest.fixture
def open_shop(new_shop: NewShop, quick_retries: None) -> OpenShop:
    """A function that makes a host with pages, selling through the sandbox."""

    def create(database_url: str | None = None, **config: Any) -> Host:
        usual = {
            "STRIPE_CREDITS_PAGES": PAGES,
            "STRIPE_CREDITS_SUCCESS_URL": None,
            "STRIPE_CREDITS_CANCEL_URL": None,
        }
        host = new_shop(database_url, **usual | config)
        host.credits.balance_loader(lambda user_id: host.balance(user_id))
        return host

    return create


@pytest.fixture
def pages(database_url: str, open_shop: OpenShop) -> Host:
    """A host with pages, once on SQLite and once on PostgreSQL."""
    return open_shop(database_url)


@pytest.fixture
def small_pages(open_shop: OpenShop) -> Host:
    """A host with pages on SQLite only: for what no database takes part in."""
    return open_shop()


def buyer_of(host: Host, address: str = "http://localhost") -> Buyer:
    return Buyer(host.client, address)


def set_package(host: Host, code: str, **values: Any) -> None:
    """Change a package as an operator would, behind the buyer's back."""
    packages = host.credits.Package.__table__
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(
            sa.update(packages).where(packages.c.package_code == code).values(values)
        )


def words(page: str) -> str:
    """What a page says, in one line."""
    body = page.partition("<body")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def titled(page: str) -> str:
    found = re.search(r"<title>(.*?)</title>", page)
    assert found is not None
    return html.unescape(found[1])


@pytest.fixture
def host_templates(tmp_path: Path) -> Iterator[Path]:
    """A folder for the templates of a host."""
    folder = tmp_path / "templates" / "flask_stripe_credits"
    folder.mkdir(parents=True)
    yield folder
