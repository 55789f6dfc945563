"""Who gets in: administrators, from pages of the host's own. Every route that there is is tried."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask_wtf.csrf import CSRFProtect, generate_csrf
from werkzeug.test import TestResponse

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host
from ..stripe_stub import NewShop
from .conftest import Operator, sold_to, with_administrator

UNSAFE = ("POST", "PATCH", "PUT", "DELETE")
# A body with which each route would do something.
BODIES: dict[str, dict[str, Any]] = {
    "/reviews/<target>": {"decision": "dismiss", "reason": "because"},
    "/packages/<package_code>": {"credits": 7},
    "/packages": {
        "package_code": "new",
        "package_name": "New",
        "credits": 1,
        "unit_amount": 100,
        "currency": "usd",
    },
}


def make_busy(operator: Operator, stripe: Sandbox) -> Operator:
    """A shop in which every route could do something: a paid purchase, and one in review."""
    sold_to(operator.shop, stripe, "alice")
    operator.shop.pay(operator.shop.add_purchase(), amount_subtotal=1)
    return operator


@pytest.fixture
def busy(small_operator: Operator, stripe: Sandbox) -> Operator:
    return make_busy(small_operator, stripe)


def tries(
    operator: Operator, stripe: Sandbox, *methods: str
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every route with ids that exist, and a body that fits."""
    paid, in_review = operator.shop.purchases()
    values = {
        "purchase_id": paid["id"],
        "target": in_review["id"],
        "package_code": "starter",
        "event_id": stripe.events("checkout.session.completed")[-1]["id"],
    }
    count = 0
    for method, rule in operator.routes():
        if methods and method not in methods:
            continue
        path = rule
        for name, value in values.items():
            path = path.replace(f"<{name}>", str(value))
        assert "<" not in path, f"say which value {rule} is tried with"
        options = {"json": BODIES.get(rule, {})} if method in UNSAFE else {}
        yield method, path, options
        count += 1
    assert count > 4


def picture(shop: Host) -> Any:
    """All that these routes could change."""
    models = shop.state.models
    names = "Purchase Grant RefundRequest Refund AuditLog WebhookEvent Package".split()
    return shop.ledger(), {name: shop.rows(getattr(models, name)) for name in names}


def refused(operator: Operator, answer: TestResponse, status: int, code: str) -> None:
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    if answer.request.method != "HEAD":
        assert (answer.json or {})["code"] == code


@pytest.mark.parametrize(
    ("user", "check", "status", "code"),
    [
        (None, True, 401, "unauthorized"),
        (None, None, 401, "unauthorized"),
        ("alice", True, 403, "not_administrator"),
        ("olivia", None, 403, "not_administrator"),
    ],
)
def test_I11_every_route_is_for_administrators_only(
    busy: Operator, stripe: Sandbox, user: str | None, check: bool | None, status: int, code: str
) -> None:
    """None of them, for nobody, an ordinary user, and anybody while the host has no check."""
    shop = busy.shop
    before, refunds = picture(shop), len(stripe.objects("refund"))
    shop.user = user
    if check is None:
        shop.state.callbacks.admin_check = None
    for method, path, options in tries(busy, stripe):
        refused(busy, busy.ask(method, path, **options), status, code)
    assert picture(shop) == before
    assert len(stripe.objects("refund")) == refunds


def test_what_was_refused_above_works_for_an_administrator(busy: Operator, stripe: Sandbox) -> None:
    """So that the refusals refuse something."""
    for method, path, options in tries(busy, stripe):
        answer = busy.ask(method, path, **options)
        assert answer.status_code in (200, 201), (method, path, answer.text)
    done = {row["action"] for row in busy.shop.rows(busy.shop.credits.AuditLog)}
    assert {"package.created", "package.updated", "refund.requested", "event.replayed"} <= done
    actors = {
        row["actor"]
        for row in busy.shop.rows(busy.shop.credits.AuditLog)
        if row["action"].split(".")[0] in ("package", "refund")
    }
    assert "olivia" in actors
    assert busy.shop.ledger() == [1000, -1000]


def test_I11_another_users_purchase_is_read_here_and_nowhere_else(busy: Operator) -> None:
    purchase = busy.shop.purchases()[0]
    path = f"/purchases/{purchase['id']}"
    assert purchase["user_id"] == "alice"
    assert busy.get(path)["user_id"] == "alice"
    # The buyers' route stays the buyer's, also for an administrator.
    assert busy.shop.client.get(f"{PREFIX}{path}").status_code == 404


def test_F05_no_page_of_another_site_can_act(busy: Operator, stripe: Sandbox) -> None:
    before = picture(busy.shop)
    for method, path, options in tries(busy, stripe, *UNSAFE):
        for headers in (
            {"Origin": "https://evil.test"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.test", "Authorization": "Bearer token"},
        ):
            answer = busy.ask(method, path, headers=headers, **options)
            refused(busy, answer, 403, "cross_site")
    assert picture(busy.shop) == before


def test_F05_no_form_can_act(busy: Operator, stripe: Sandbox) -> None:
    before = picture(busy.shop)
    for method, path, _ in tries(busy, stripe, *UNSAFE):
        for content_type in ("application/x-www-form-urlencoded", "text/plain"):
            answer = busy.ask(method, path, data="{}", content_type=content_type)
            refused(busy, answer, 415, "unsupported_media_type")
    assert picture(busy.shop) == before


def test_F05_the_hosts_token_is_asked_for(new_shop: NewShop, stripe: Sandbox) -> None:
    shop = new_shop(WTF_CSRF_ENABLED=False)
    app = shop.app
    CSRFProtect(app)
    app.add_url_rule("/token", view_func=lambda: generate_csrf())
    busy = make_busy(with_administrator(shop), stripe)
    app.config["WTF_CSRF_ENABLED"] = True
    before = picture(busy.shop)
    for method, path, options in tries(busy, stripe, *UNSAFE):
        refused(busy, busy.ask(method, path, **options), 400, "bad_request")
    assert picture(busy.shop) == before
    client = app.test_client()
    headers = {"X-CSRFToken": client.get("/token").text}
    done = busy.ask("POST", "/packages/starter/deactivate", client=client, headers=headers)
    assert done.status_code == 200
    assert busy.ask("GET", "/packages").status_code == 200


def test_bodies_have_limits_and_are_objects(busy: Operator, stripe: Sandbox) -> None:
    before = picture(busy.shop)
    for method, path, _ in tries(busy, stripe, *UNSAFE):
        for data, status, code in (
            ("[" * 70_000, 413, "payload_too_large"),
            ("{", 400, "bad_request"),
            ('{"a": 1, "a": 2}', 400, "bad_request"),
            ("[]", 422, "validation_failed"),
            ('{"of_no_use": 1}', 422, "validation_failed"),
        ):
            answer = busy.ask(method, path, data=data, content_type="application/json")
            refused(busy, answer, status, code)
    assert picture(busy.shop) == before


def test_no_route_passes_over_a_parameter_that_it_does_not_know(
    busy: Operator, stripe: Sandbox
) -> None:
    before = picture(busy.shop)
    for method, path, options in tries(busy, stripe, "GET", *UNSAFE):
        answer = busy.ask(method, path, query_string={"of_no_use": "1"}, **options)
        refused(busy, answer, 422, "validation_failed")
        assert list((answer.json or {})["errors"]) == ["of_no_use"]
    assert picture(busy.shop) == before


def test_what_is_not_there_is_404_and_other_methods_405(busy: Operator) -> None:
    for path in ("", "/", "/nothing", f"/purchases/{uuid.uuid4()}", "/purchases/1"):
        assert busy.ask("GET", path).status_code == 404
    answer = busy.ask("DELETE", "/packages")
    refused(busy, answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    options = busy.shop.client.options(f"{PREFIX}/admin/packages/starter")
    assert (options.status_code, options.headers["Allow"]) == (204, "OPTIONS, PATCH")


def test_nothing_is_kept_by_a_browser(busy: Operator, stripe: Sandbox) -> None:
    for method, path, options in tries(busy, stripe, "GET"):
        headers = busy.ask(method, path, **options).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not [name for name, _ in headers if name.startswith("Access-Control")]
