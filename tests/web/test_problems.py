"""F20: every error of ours is a problem document, whatever the host does with its own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException

from flask_stripe_credits import errors
from flask_stripe_credits.web import problems

from ..hosts import PREFIX, Host, make_host

ROUTES = {
    "packages": "GET",
    "purchase": "POST",
    "history": "GET",
    "purchases/00000000-0000-0000-0000-000000000000": "GET",
    "webhook": "POST",
    "openapi.json": "GET",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE")


def check(answer: Any, status: int, code: str, *, head: bool = False) -> None:
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if not head:
        assert set(answer.json) == {"type", "title", "status", "detail", "code"}
        assert (answer.json["status"], answer.json["code"]) == (status, code)
        assert answer.json["type"] == "about:blank"
        assert answer.json["title"] and answer.json["detail"]


def spoil(app: Flask) -> None:
    """Error pages as hosts have them."""

    @app.errorhandler(404)
    @app.errorhandler(405)
    @app.errorhandler(401)
    @app.errorhandler(400)
    @app.errorhandler(503)
    @app.errorhandler(HTTPException)
    def page(error: Exception) -> tuple[str, int]:
        return "<h1>Oh no</h1>", 200

    @app.errorhandler(Exception)
    @app.errorhandler(errors.StripeCreditsError)
    def worse(error: Exception) -> tuple[str, int]:
        return "<h1>Oh no!</h1>", 200


class Shouting(DefaultJSONProvider):
    """What JSON looks like to a host."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return super().dumps(obj).upper()


def test_the_hosts_json_provider_is_for_its_own_answers(small_shop: Host) -> None:
    paths = [f"{PREFIX}/{name}" for name in ("packages", "history", "health", "nowhere", "webhook")]
    before = [small_shop.client.get(path).data for path in paths]
    small_shop.app.json = Shouting(small_shop.app)
    assert [small_shop.client.get(path).data for path in paths] == before
    assert small_shop.pay(small_shop.add_purchase()).json == {
        "received": True,
        "verdict": "handled",
    }


@pytest.mark.parametrize("spoiled", [False, True], ids=["plain", "with-own-pages"])
def test_F20_errors_are_ours_alone(small_shop: Host, spoiled: bool) -> None:
    if spoiled:
        spoil(small_shop.app)
    client = small_shop.client
    for path in ("nothing", "packages/1", "purchases/a/b", "%00", "packages.json", "a" * 5_000):
        for method in (*METHODS, "OPTIONS"):
            answer = client.open(f"{PREFIX}/{path}", method=method)
            check(answer, 404, "not_found", head=method == "HEAD")
    check(client.post(f"{PREFIX}/webhook", data=b"{}"), 400, "invalid_signature")
    check(client.post(f"{PREFIX}/purchase"), 415, "unsupported_media_type")
    small_shop.user = None
    check(client.get(f"{PREFIX}/history"), 401, "unauthorized")
    outside = client.get("/elsewhere")
    assert outside.content_type.startswith("text/html")
    assert outside.status_code == (200 if spoiled else 404)


def test_F24_another_method_is_refused_and_told_which_are_allowed(small_shop: Host) -> None:
    for path, own in ROUTES.items():
        allowed = {"GET", "HEAD", "OPTIONS"} if own == "GET" else {own, "OPTIONS"}
        for method in METHODS:
            if method in allowed:
                continue
            answer = small_shop.client.open(f"{PREFIX}/{path}", method=method)
            check(answer, 405, "method_not_allowed", head=method == "HEAD")
            assert set(answer.headers["Allow"].split(", ")) == allowed
        options = small_shop.client.options(f"{PREFIX}/{path}")
        assert (options.status_code, options.data) == (204, b"")
        assert set(options.headers["Allow"].split(", ")) == allowed


def test_F24_no_header_overrides_the_method(small_shop: Host) -> None:
    headers = {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST"}
    answer = small_shop.client.get(
        f"{PREFIX}/purchase?_method=POST",
        headers=headers,
        json={"package_code": "starter"},
    )
    check(answer, 405, "method_not_allowed")
    assert small_shop.purchases() == []


def test_E22_no_route_redirects(small_shop: Host) -> None:
    for path, own in ROUTES.items():
        for url in (f"{PREFIX}/{path}", f"{PREFIX}/{path}/"):
            assert small_shop.client.open(url, method=own).status_code not in (301, 302, 307, 308)


@pytest.mark.undescribed
def test_F20_an_exception_inside_shows_nothing_of_itself(tmp_path: Path) -> None:
    host = make_host(f"sqlite:///{tmp_path / 'host.sqlite'}", TESTING=False)

    def explode() -> str:
        raise KeyError("password=hunter2")

    host.credits.user_id_loader(explode)
    answer = host.client.get(f"{PREFIX}/history")
    check(answer, 500, "internal_server_error")
    assert "hunter2" not in answer.text


@pytest.mark.undescribed
def test_a_host_that_aborts_in_its_loader_is_answered_as_it_says(tmp_path: Path) -> None:
    host = make_host(f"sqlite:///{tmp_path / 'host.sqlite'}")

    def banned() -> str:
        abort(403, description="<b>banned</b>")

    host.credits.user_id_loader(banned)
    answer = host.client.get(f"{PREFIX}/packages")
    check(answer, 403, "forbidden")
    assert "banned" not in answer.text


def test_every_error_of_ours_has_its_answer(small_shop: Host) -> None:
    """Leaves go before their parents, and none falls through to an anonymous 500."""
    order = list(problems.ANSWERS)
    for position, kind in enumerate(order):
        assert not any(issubclass(kind, earlier) for earlier in order[:position]), kind
    answered_elsewhere = {
        # Roots, never raised themselves.
        *("StripeCreditsError", "CatalogError", "CheckoutError", "GatewayError", "WebhookError"),
        # Of commands and receivers.
        *("InvalidCatalog", "MigrationRefused", "RebuildRefused", "Refuse", "DemoDataRefused"),
        # Of a page, and of mail that is sent after everything else.
        "MailFailed",
        "PackageChanged",
    }
    of_ours = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    for name, kind in of_ours.items():
        if issubclass(kind, errors.StripeCreditsError) and name not in answered_elsewhere:
            assert issubclass(kind, tuple(order)), name


def test_only_outages_are_logged_as_errors(
    small_shop: Host, caplog: pytest.LogCaptureFixture
) -> None:
    client = small_shop.client
    client.get(f"{PREFIX}/nothing")
    client.post(f"{PREFIX}/purchase", json={"package_code": "no-such"})
    client.post(f"{PREFIX}/purchase", json={"package_code": 1})
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []
    with small_shop.app.app_context():
        small_shop.db.drop_all()
    client.get(f"{PREFIX}/history")
    assert "tables_out_of_date" in caplog.text
