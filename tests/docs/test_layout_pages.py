"""The pages about an app of several modules, and about what several apps share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from flask_stripe_credits.testing import StripeSandbox, assert_invariants

from ..hosts import PREFIX
from ..payloads import encode, new_api_key, new_secret, sign
from .issuer import new_signing_secret
from .pages import blocks

PACKAGE = "how-to/lay-out-a-package.md"
SHARED = "how-to/share-an-account.md"


@pytest.fixture
def load_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Write the page's package and import it, without the lines that a test takes out."""
    monkeypatch.setenv("STRIPE_SECRET_KEY", new_api_key())
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET_CREDITS", new_secret())
    monkeypatch.setenv("FLASK_SECRET_KEY", new_signing_secret())
    monkeypatch.setenv("STRIPE_CREDITS_PAGES", "/credits")
    monkeypatch.setenv("STRIPE_CREDITS_BASE_URL", "http://localhost")
    monkeypatch.syspath_prepend(tmp_path)

    def load(*without: str) -> ModuleType:
        for one in blocks(PACKAGE):
            assert one.what == "file"
            lines = [line for line in one.code.splitlines(keepends=True) if line not in without]
            (tmp_path / one.name).parent.mkdir(exist_ok=True)
            (tmp_path / one.name).write_text("".join(lines))
        import shop

        return shop

    yield load
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def make_app(shop: ModuleType, database_url: str) -> Flask:
    app: Flask = shop.create_app({"SQLALCHEMY_DATABASE_URI": database_url})
    with app.app_context():
        shop.db.create_all()
        shop.db.session.add(shop.models.User(id=7))
        shop.db.session.commit()
    for words in (["db", "stamp"], ["packages", "load"]):
        done = app.test_cli_runner().invoke(args=["credits", *words])
        assert done.exit_code == 0, done.output
    return app


def signed_in(app: Flask) -> FlaskClient:
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = "7"
    return client


def buy(client: FlaskClient, stripe: StripeSandbox, **headers: str) -> str:
    bought = client.post(f"{PREFIX}/purchase", json={"package_code": "starter"}, headers=headers)
    assert bought.status_code == 201, bought.text
    session_id: str = (bought.json or {})["session_id"]
    stripe.pay(session_id)
    return session_id


def test_a_package_of_modules_sells_in_each_app_that_its_factory_makes(
    load_package: Any, new_database: Callable[[str], str]
) -> None:
    shop = load_package()
    apps = [make_app(shop, new_database("sqlite")) for _ in range(2)]
    for app in apps:
        with StripeSandbox(app) as stripe:
            buy(signed_in(app), stripe)
            stripe.deliver()
        assert (signed_in(app).get("/account/balance").json or {}) == {"balance": 1000}
        assert signed_in(app).get(f"{PREFIX}/admin/purchases").status_code == 403
        assert_invariants(app)
    told = apps[0].test_cli_runner().invoke(args=["credits", "doctor"]).output
    assert "credits go to shop.credit_manager.book" in told
    with apps[0].test_request_context():
        assert apps[0].url_for("stripe_credits_pages.shop") == "/credits"


def test_without_the_import_of_its_module_a_receiver_is_missed(
    load_package: Any, new_database: Callable[[str], str]
) -> None:
    shop = load_package(
        "from . import credit_manager, models  # noqa: F401  receivers and tables\n",
        "from .account import account\n",
        "    app.register_blueprint(account)\n",
    )
    app: Flask = shop.create_app({"SQLALCHEMY_DATABASE_URI": new_database("sqlite")})
    told = app.test_cli_runner().invoke(args=["credits", "doctor"]).output
    (line,) = [line for line in told.splitlines() if " receivers " in line]
    assert line.startswith("error")


def test_a_mounted_apps_links_keep_where_it_is(
    load_package: Any, new_database: Callable[[str], str]
) -> None:
    app = make_app(load_package(), new_database("sqlite"))
    mounted = Client(DispatcherMiddleware(Flask("root"), {"/shop": app}))
    session = signed_in(app).get_cookie("session")
    assert session is not None
    mounted.set_cookie("session", session.value)
    page = mounted.get("/shop/credits")
    assert page.status_code == 200
    links = re.findall(r'(?:href|action)="(/[^"]*)"', page.text)
    assert len(links) > 2
    assert [link for link in links if not link.startswith("/shop/")] == []


@pytest.fixture
def create_shop(load_page: Any, postgres_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FLASK_SQLALCHEMY_DATABASE_URI", postgres_database_url)
    monkeypatch.setenv("STRIPE_CREDITS_SUCCESS_URL", "http://localhost/thanks")
    monkeypatch.setenv("STRIPE_CREDITS_CANCEL_URL", "http://localhost/credits")
    page, _ = load_page(SHARED)
    engine = sa.create_engine(postgres_database_url)

    def create(name: str) -> Flask:
        with engine.begin() as connection:
            connection.execute(sa.text(f"CREATE SCHEMA {name}"))
        app: Flask = page.create_shop(name)
        app.extensions["stripe_credits"].callbacks.user_id_loader = lambda: "alice"
        with app.app_context():
            app.extensions["sqlalchemy"].create_all()
        for words in (["db", "stamp"], ["packages", "load"]):
            done = app.test_cli_runner().invoke(args=["credits", *words])
            assert done.exit_code == 0, done.output
        return app

    return create


def test_two_shops_in_one_database_and_at_one_account_know_their_own(
    create_shop: Any, postgres_database_url: str
) -> None:
    apps = {name: create_shop(name) for name in ("books", "games")}
    verdicts = []
    for name, app in apps.items():
        with StripeSandbox(app) as stripe:
            buy(app.test_client(), stripe)
            stripe.deliver()
            (paid,) = [one for one in stripe.events if one.type == "checkout.session.completed"]
        (other,) = [app for other, app in apps.items() if other != name]
        body = encode(paid.to_dict())
        secret = other.extensions["stripe_credits"].settings.require_webhook_secrets()[0].reveal()
        heard = other.test_client().post(
            f"{PREFIX}/webhook", data=body, headers={"Stripe-Signature": sign(body, secret)}
        )
        verdicts.append((heard.json or {})["verdict"])
        assert_invariants(app)
    assert verdicts == ["ignored", "ignored"]
    with sa.create_engine(postgres_database_url).connect() as connection:
        for name in apps:
            booked = connection.execute(sa.text(f"SELECT credits FROM {name}.ledger_entry"))
            assert booked.scalars().all() == [1000]
            told = connection.execute(sa.text(f"SELECT count(*) FROM {name}.credit_webhook_events"))
            assert told.scalar() == 1
