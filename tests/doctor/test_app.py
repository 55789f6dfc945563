"""What the doctor says of the host itself: receivers, login, addresses, live mode."""

from __future__ import annotations

from typing import Any

import pytest
from flask_login import LoginManager

from flask_stripe_credits.doctor import Level
from flask_stripe_credits.signals import purchase_completed

from ..hosts import Host, make_host
from ..payloads import new_api_key
from .examined import examined, level, only


def test_the_receiver_is_named(sqlite_host: Host) -> None:
    found = only(sqlite_host, "receivers")
    assert (found.level, found.found) == (
        Level.OK,
        "credits go to tests.hosts.make_host.<locals>.book",
    )


def test_C19_nobody_receives_credits(sqlite_url: str) -> None:
    host = make_host(sqlite_url, receiver=False, tables=False)
    found = only(host, "receivers")
    assert found.level is Level.ERROR
    assert found.advice is not None and "@credits.on_grant" in found.advice


def test_C19_signals_of_money_without_a_receiver_are_named(sqlite_url: str) -> None:
    host = make_host(sqlite_url, receiver=False, tables=False)

    def by_hand(sender: Any, **_: Any) -> None:
        pass

    purchase_completed.connect(by_hand, sender=host.app)
    found = examined(host, "receivers")["receivers"]
    assert [line.level for line in found] == [Level.ERROR, Level.ERROR]
    assert [line.found.split(":")[0] for line in found] == [
        "nobody receives purchase_reversed",
        "nobody receives purchase_restored",
    ]


def test_login(sqlite_host: Host) -> None:
    found = only(sqlite_host, "login")
    assert found.level is Level.OK
    assert found.found.startswith("users are told by tests.hosts.")
    sqlite_host.state.callbacks.user_id_loader = None
    assert "answered with 401" in only(sqlite_host, "login").found
    manager = LoginManager(sqlite_host.app)
    assert "has no function that loads users" in only(sqlite_host, "login").found
    manager.user_loader(str)
    assert only(sqlite_host, "login").found == "users are told by Flask-Login"


def test_administrators(sqlite_host: Host) -> None:
    assert only(sqlite_host, "administrators").found.startswith("nobody: ")
    sqlite_host.credits.admin_check(test_administrators)
    assert only(sqlite_host, "administrators").found.endswith(".test_administrators")


def test_the_pages_need_a_secret_key(sqlite_url: str) -> None:
    assert only(make_host(sqlite_url, tables=False), "pages").found.startswith("off: ")
    host = make_host(sqlite_url, tables=False, STRIPE_CREDITS_PAGES="/credits")
    assert only(host, "pages").found == "on at /credits"
    host.app.secret_key = None
    found = only(host, "pages")
    assert found.level is Level.ERROR
    assert "SECRET_KEY, which isn't set" in found.found


@pytest.mark.parametrize(
    ("config", "levels", "told"),
    [
        ({"BASE_URL": "https://shop.test"}, [Level.OK], "back to https://shop.test"),
        ({}, [Level.WARNING, Level.WARNING], "STRIPE_CREDITS_BASE_URL isn't set"),
        (
            {"ALLOWED_REDIRECT_ORIGINS": "https://shop.test", "SITE": "shop"},
            [Level.WARNING],
            "paths can't be return addresses",
        ),
        (
            {"BASE_URL": "https://shop.test", "SUCCESS_URL": "https://other.test/thanks"},
            [Level.ERROR],
            "STRIPE_CREDITS_SUCCESS_URL: success_url must be a path or an address whose origin",
        ),
        ({"SITE": "shop", "CANCEL_URL": "/no"}, [Level.WARNING, Level.ERROR], ""),
        (
            {"SITE": "shop", "PAGES": "/credits", "ALLOWED_REDIRECT_ORIGINS": "https://shop.test"},
            [Level.WARNING, Level.ERROR, Level.ERROR],
            "the pages at /credits: success_url is a path, which needs STRIPE_CREDITS_BASE_URL",
        ),
    ],
)
def test_return_addresses(
    sqlite_url: str, config: dict[str, str], levels: list[Level], told: str
) -> None:
    urls = {"SUCCESS_URL": None, "CANCEL_URL": None} | config
    settings: Any = {f"STRIPE_CREDITS_{name}": value for name, value in urls.items()}
    found = examined(make_host(sqlite_url, tables=False, **settings), "redirects")["redirects"]
    assert [line.level for line in found] == levels
    assert told in "\n".join(line.found for line in found)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "STRIPE_CREDITS_BASE_URL isn't set: buyers could only be sent back to this machine"),
        (
            {"STRIPE_CREDITS_BASE_URL": "http://localhost:5000"},
            "STRIPE_CREDITS_BASE_URL names this",
        ),
        (
            {
                "STRIPE_CREDITS_BASE_URL": "https://shop.test",
                "STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS": "https://shop.test http://127.0.0.1:3000",
            },
            "STRIPE_CREDITS_ALLOWED_REDIRECT_ORIGINS names this machine (http://127.0.0.1:3000)",
        ),
    ],
)
def test_live_buyers_are_not_sent_to_their_own_machines(
    sqlite_url: str, config: dict[str, Any], told: str
) -> None:
    host = make_host(sqlite_url, tables=False, STRIPE_SECRET_KEY=new_api_key("live"), **config)
    found = examined(host, "redirects")["redirects"][0]
    assert found.level is Level.ERROR
    assert told in found.found


def test_what_is_only_for_laptops_is_told_of_in_live_mode(sqlite_url: str) -> None:
    host = make_host(sqlite_url, tables=False)
    host.app.debug = True
    assert level(host, "live_mode") is Level.OK
    host = make_host(sqlite_url, tables=False, STRIPE_SECRET_KEY=new_api_key("live"))
    host.app.debug = True
    found = examined(host, "live_mode")["live_mode"]
    assert [(line.level, line.found.split()[0]) for line in found] == [
        (Level.ERROR, "debug"),
        (Level.WARNING, "TESTING"),
        (Level.WARNING, "sqlite,"),
    ]


def test_live_mode_on_a_server(postgres_database_url: str) -> None:
    host = make_host(postgres_database_url, tables=False, STRIPE_SECRET_KEY=new_api_key("live"))
    host.app.testing = False
    assert only(host, "live_mode").found == "real money, and nothing that is only for laptops"


def test_versions(sqlite_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    import stripe

    from flask_stripe_credits.doctor import going_live

    found = only(sqlite_host, "versions")
    assert found.level is Level.OK
    assert f"stripe {stripe.VERSION}" in found.found and stripe.api_version in found.found
    monkeypatch.setattr(going_live, "version", lambda name: "14.2.0")
    found = only(sqlite_host, "versions")
    assert (found.level, found.command) == (Level.ERROR, 'pip install "stripe>=15.6,<17"')
