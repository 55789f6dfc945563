"""The code blocks of the how-to pages, run as they are written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from flask_stripe_credits import GrantSnapshot, StripeCredits
from flask_stripe_credits.catalog.file import parse_packages

from ..hosts import PREFIX, Host, make_host
from ..payloads import event, new_api_key, new_secret, refund
from .pages import PAGES, ROOT, blocks, read


def test_the_ledger_page_books_refuses_and_tells(
    load_page: Any, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page, secret = load_page("how-to/keep-a-ledger.md", database_url)
    host = Host(page.app, page.db, page.credits, page.LedgerEntry, secret)
    with page.app.app_context():
        page.db.create_all()
        page.db.session.add(page.User(id="alice"))
        page.db.session.commit()
    known, unknown = host.add_purchase(), host.add_purchase(user_id="nobody")
    assert host.pay(known).json == {"received": True, "verdict": "handled"}
    assert host.pay(unknown).json == {"received": True, "verdict": "review"}
    assert host.ledger() == [1000]
    with page.app.app_context():
        assert (page.balance_of("alice"), page.balance_of("nobody")) == (1000, 0)
    told = capsys.readouterr().out
    assert "mail to alice: 1000 credits" in told
    assert f"look at {unknown['id']}: refused by a receiver: there is no user nobody" in told
    spent = {"id": "spent", "user_id": "alice", "credits": -800, "reason": "spent"}
    with page.app.app_context():
        page.db.session.add(page.LedgerEntry(**spent))
        page.db.session.commit()
    refunded = refund(host.purchase(known["id"])["stripe_payment_intent_id"], 1000)
    assert host.post_event(event("refund.created", refunded)).json["verdict"] == "handled"
    with page.app.app_context():
        assert page.balance_of("alice") == -800


def test_a_repeated_grant_keeps_its_id_as_the_ledger_page_says(
    new_database: Callable[[str], str],
) -> None:
    tries: list[str] = []

    def fails_once(grant: GrantSnapshot) -> None:
        tries.append(grant.id)
        if len(tries) == 1:
            raise RuntimeError("the first try fails")

    host = make_host(new_database("sqlite"), receiver=fails_once)
    purchase, another = host.add_purchase(), host.add_purchase()
    assert [host.pay(purchase).status_code for _ in range(3)] == [503, 200, 200]
    assert host.pay(another).status_code == 200
    first, second, of_another = tries
    assert first == second == str(host.grants(purchase_id=purchase["id"])[0]["id"])
    assert of_another != first


def test_the_whole_host_of_the_first_page_sells(database_url: str) -> None:
    (block,) = blocks("index.md")
    config = {
        "FLASK_SQLALCHEMY_DATABASE_URI": database_url,
        "STRIPE_SECRET_KEY": new_api_key(),
        "STRIPE_WEBHOOK_SECRET_CREDITS": (secret := new_secret()),
    }
    page: dict[str, Any] = {
        "__name__": "page",
        "Flask": Flask,
        "SQLAlchemy": SQLAlchemy,
        "StripeCredits": StripeCredits,
        "login": LoginManager(),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in config.items():
            patch.setenv(name, value)
        exec(block.code, page)
        page["LedgerEntry"] = make_ledger(page["db"])
        app = page["create_app"]()
    host = Host(app, page["db"], page["credits"], page["LedgerEntry"], secret)
    with app.app_context():
        host.db.create_all()
    assert host.pay(host.add_purchase()).status_code == 200
    assert host.ledger() == [1000]
    lines = [line for line in block.code.splitlines() if line]
    assert len(lines) <= 13


def make_ledger(db: Any) -> Any:
    class LedgerEntry(db.Model):  # type: ignore[misc]
        id: Mapped[str] = mapped_column(primary_key=True)
        user_id: Mapped[str]
        credits: Mapped[int]

    return LedgerEntry


def test_the_embed_page_knows_both_kinds_of_login(load_page: Any) -> None:
    page, _ = load_page("how-to/embed.md")
    app = page.create_app({"SQLALCHEMY_DATABASE_URI": "sqlite:///shop.db", "SECRET_KEY": "x"})
    with app.app_context():
        page.db.create_all()
        page.db.session.add(page.User(id=7, api_token="let-me-in"))
        page.db.session.commit()
    client = app.test_client()
    history = f"{PREFIX}/history"
    assert client.get(history).status_code == 401
    assert client.get(history, environ_base={"my_sso.user_id": "7"}).json == []
    page.credits._callbacks.user_id_loader = None  # as if only Flask-Login were there
    assert client.get(history).status_code == 401
    assert client.get(history, headers={"Authorization": "Bearer let-me-in"}).json == []


def test_the_catalogue_page_loads_as_it_says(tmp_path: Path, sqlite_host: Host) -> None:
    file, *commands = blocks("how-to/define-packages.md")
    (tmp_path / file.name).write_text(file.code)
    assert len(parse_packages(file.code.encode())) == 2
    for command, shown in zip(commands[::2], commands[1::2], strict=True):
        arguments = shlex.split(command.code.replace(file.name, str(tmp_path / file.name)))[1:]
        result = sqlite_host.app.test_cli_runner().invoke(args=arguments)
        assert (result.exit_code, result.output) == (0, shown.code)


def test_the_message_about_stamping_is_the_real_one(sqlite_host: Host) -> None:
    # Its tables were made with db.create_all().
    result = sqlite_host.app.test_cli_runner().invoke(args=["credits", "db", "upgrade"])
    assert result.exit_code == 1
    assert result.output.strip() in read("how-to/run-migrations.md")
    assert sqlite_host.app.test_cli_runner().invoke(args=["credits", "db", "stamp"]).exit_code == 0


@pytest.mark.parametrize("page", PAGES)
def test_every_python_block_is_python(page: str) -> None:
    blocks_of_page = re.findall(r"^```python\n(.*?)^```$", read(page), re.MULTILINE | re.DOTALL)
    for number, code in enumerate(blocks_of_page, start=1):
        compile(code, f"{page}, block {number}", "exec")


def test_the_settings_of_the_transactions_page_limit_how_long_a_delivery_waits(
    postgres_database_url: str,
) -> None:
    app = Flask("page")
    (block,) = blocks("explanation/transactions.md")
    exec(block.code, {"app": app})
    options = app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    host = make_host(postgres_database_url, SQLALCHEMY_ENGINE_OPTIONS=options)
    with host.app.app_context():
        assert host.db.session.scalar(sa.text("SHOW lock_timeout")) == "4s"
        assert host.db.engine.pool.timeout() == 5  # type: ignore[attr-defined]
    assert host.pay(host.add_purchase()).status_code == 200
    assert host.ledger() == [1000]


def test_the_page_about_the_pages_sells(load_page: Any) -> None:
    page, secret = load_page("how-to/sell-with-ready-made-pages.md")
    app = Flask("page")
    app.config |= {
        "SECRET_KEY": "only for tests",
        "SQLALCHEMY_DATABASE_URI": "sqlite://",
        "STRIPE_CREDITS_PAGES": "/credits",
        "STRIPE_CREDITS_API_BASE": "http://127.0.0.1:9",
    }
    page.credits.user_id_loader(lambda: "alice")
    page.db.init_app(app)
    page.credits.init_app(app)
    host = Host(app, page.db, page.credits, page.LedgerEntry, secret)
    with app.app_context():
        page.db.create_all()
        addresses = {rule.rule for rule in app.url_map.iter_rules()}
    documented = re.findall(
        r"^\| `(/credits\S*)`", read("how-to/sell-with-ready-made-pages.md"), re.M
    )
    assert len(documented) == 5
    assert {address.replace("<id>", "<purchase_id>") for address in documented} <= addresses
    assert host.pay(host.add_purchase()).status_code == 200
    assert ">1,000<" in host.client.get("/credits").text
    assert [host.client.get(path).status_code for path in documented if "<" not in path] == [
        200
    ] * 3


def test_the_restyling_page_adds_to_the_policy(load_page: Any, sqlite_host: Host) -> None:
    page, _ = load_page("how-to/restyle-the-pages.md")
    host = make_host("sqlite://", STRIPE_CREDITS_PAGES="/credits")
    host.app.after_request(page.allow_our_fonts)
    policy = host.client.get("/credits").headers["Content-Security-Policy"]
    assert "font-src 'self' https://fonts.example.com" in policy
    assert "form-action 'self' http://127.0.0.1:9" in policy
    text = read("how-to/restyle-the-pages.md")
    assert (ROOT / "example_app/templates/flask_stripe_credits/layout.html").read_text().partition(
        "{% extends"
    )[2] in text
    css = (ROOT / "flask_stripe_credits/web/pages/static/pages.css").read_text()
    named = set(re.findall(r"--fsc-[a-z-]+", text))
    assert len(named) > 10
    assert named <= set(re.findall(r"(--fsc-[a-z-]+):", css))
