from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host


class Operator:
    """Asks a shop's administrators' routes, as whoever ``shop.user`` is."""

    def __init__(self, shop: Host) -> None:
        self.shop = shop

    def ask(self, method: str, path: str, **options: Any) -> TestResponse:
        if method in ("POST", "PATCH", "PUT", "DELETE") and not options.keys() & {"data", "json"}:
            options["json"] = {}
        client = options.pop("client", None) or self.shop.client
        answer: TestResponse = client.open(f"{PREFIX}/admin{path}", method=method, **options)
        return answer

    def get(self, path: str, **query: Any) -> Any:
        answer = self.ask("GET", path, query_string=query)
        assert answer.status_code == 200, answer.text
        return answer.json

    def post(self, path: str, **body: Any) -> TestResponse:
        return self.ask("POST", path, json=body)

    def routes(self) -> Iterator[tuple[str, str]]:
        """Every route below ``/admin``, method by method, as the app has them."""
        for rule in self.shop.app.url_map.iter_rules():
            if not rule.rule.startswith(f"{PREFIX}/admin/"):
                continue
            path = rule.rule.removeprefix(f"{PREFIX}/admin")
            for method in sorted((rule.methods or set()) - {"OPTIONS"}):
                yield method, path


def with_administrator(shop: Host) -> Operator:
    shop.credits.admin_check(lambda: shop.user == "olivia")
    shop.user = "olivia"
    return Operator(shop)


@pytest.fixture
def operator(shop: Host) -> Operator:
    """Olivia, an administrator of a shop on SQLite and of one on PostgreSQL."""
    return with_administrator(shop)


@pytest.fixture
def small_operator(small_shop: Host) -> Operator:
    """Olivia, an administrator of a shop on SQLite, for what no database takes part in."""
    return with_administrator(small_shop)


def sold_to(shop: Host, stripe: Sandbox, user: str) -> dict[str, Any]:
    """A purchase that a buyer paid at the sandbox."""
    from ..refunds.buyers import sold

    before, shop.user = shop.user, user
    purchase = sold(shop, stripe, user)
    shop.user = before
    return purchase
