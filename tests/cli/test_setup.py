"""``flask credits setup``: from an app with its keys to one that sells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from flask_stripe_credits.cli.webhook.env_file import EnvFile
from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host, make_host
from ..payloads import new_api_key, new_secret

CODES = ["starter", "standard", "pro", "enterprise"]
TABLES = ["db upgrade", "db stamp"]
SHOP = "https://shop.example.com"
GOLD = """
[[packages]]
package_code = "gold"
package_name = "Gold Pack"
credits = 9000
unit_amount = 7_000
currency = "eur"
"""


@pytest.fixture
def stripe(quick_retries: None) -> Iterator[Sandbox]:
    """A sandbox of this test's own, because all that is there is looked at."""
    with Sandbox(remote_webhooks=True).start(deliver=False) as sandbox:
        yield sandbox


def fresh(url: str, sandbox: Sandbox, **config: Any) -> Host:
    """A host whose database is empty."""
    base = {
        "STRIPE_CREDITS_API_BASE": sandbox.url,
        "STRIPE_CREDITS_BASE_URL": SHOP,
        "STRIPE_CREDITS_SUCCESS_URL": "/thanks",
        "STRIPE_CREDITS_CANCEL_URL": "/",
    }
    return make_host(url, **{"tables": False} | base | config)


def set_up(host: Host, *arguments: str) -> Result:
    return host.app.test_cli_runner().invoke(args=["credits", "setup", *arguments])


def steps(result: Result) -> list[str]:
    return re.findall(r"^\$ flask credits (.+)$", result.stdout, re.MULTILINE)


def for_sale(host: Host) -> list[str]:
    return [row["package_code"] for row in host.rows(host.credits.Package)]


def at_stripe(sandbox: Sandbox, kind: str) -> int:
    return len(sandbox.objects(kind))


def test_one_command_leaves_nothing_but_the_webhook(database_url: str, stripe: Sandbox) -> None:
    host = fresh(database_url, stripe)
    done = set_up(host)
    assert steps(done) == ["db upgrade", "packages load", "sync --apply", "doctor"]
    assert sorted(for_sale(host)) == sorted(CODES)
    assert all(row["stripe_price_id"] for row in host.rows(host.credits.Package))
    # The endpoint's secret is only handed over to a file that is named.
    assert done.exit_code == 2
    errors = re.findall(r"^error +(\S+)", done.stdout, re.MULTILINE)
    assert errors == ["webhook_endpoint"]
    assert "$ flask credits webhook create --write-env .env" in done.stdout
    assert stripe.objects("webhook_endpoint") == []


def test_again_it_changes_nothing(database_url: str, stripe: Sandbox) -> None:
    host = fresh(database_url, stripe)
    set_up(host)
    before = host.rows(host.credits.Package), stripe.objects("price"), stripe.objects("product")
    again = set_up(host)
    assert steps(again) == ["db upgrade", "sync --apply", "doctor"]
    assert "Nothing to do: the credit tables are at that revision already" in again.stdout
    assert again.stdout.count(": in sync") == len(CODES)
    after = host.rows(host.credits.Package), stripe.objects("price"), stripe.objects("product")
    assert after == before


def test_tables_that_create_all_made_are_marked(database_url: str, stripe: Sandbox) -> None:
    host = fresh(database_url, stripe, tables=True)
    assert steps(set_up(host))[0] == "db stamp"
    assert steps(set_up(host))[0] == "db upgrade"
    check = host.app.test_cli_runner().invoke(args=["credits", "db", "check"])
    assert check.exit_code == 0, check.output


def test_packages_of_a_file_and_the_webhook_in_one_go(
    sqlite_url: str, stripe: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "packages.toml").write_text(GOLD)
    env = tmp_path / "app.env"
    host = fresh(sqlite_url, stripe, STRIPE_WEBHOOK_SECRET_CREDITS=None)
    options = ["--packages", str(tmp_path / "packages.toml"), "--write-env", str(env)]
    done = set_up(host, *options)
    assert done.exit_code == 0, done.output
    assert for_sale(host) == ["gold"]
    (endpoint,) = stripe.objects("webhook_endpoint")
    assert endpoint["url"] == f"{SHOP}{PREFIX}/webhook"
    (secret,) = EnvFile(env).secrets
    assert secret.reveal() not in done.output
    assert f"nothing is wrong once the app is started with what is in {env}\n" in done.stdout
    # One that doesn't read it is told so.
    unread = set_up(host, *options)
    assert (unread.exit_code, "nothing is wrong" in unread.stdout) == (2, False)
    assert re.search(r"^error +webhook_secret", unread.stdout, re.MULTILINE)
    # The next process reads it.
    host = fresh(sqlite_url, stripe, STRIPE_WEBHOOK_SECRET_CREDITS=secret.reveal())
    again = set_up(host, *options)
    assert again.exit_code == 0, again.output
    assert stripe.objects("webhook_endpoint") == [endpoint]
    assert set_up(host).exit_code == 0


def test_without_a_key_it_does_what_needs_none(sqlite_url: str, stripe: Sandbox) -> None:
    host = fresh(sqlite_url, stripe, STRIPE_SECRET_KEY=None)
    done = set_up(host)
    assert done.exit_code == 1
    assert sorted(for_sale(host)) == sorted(CODES)
    assert "Error: STRIPE_SECRET_KEY isn't set" in done.stderr
    assert re.search(r"^error +secret_key", done.stdout, re.MULTILINE)
    assert at_stripe(stripe, "product") == 0


def test_tables_of_somebody_else_end_it(sqlite_url: str, stripe: Sandbox) -> None:
    host = fresh(sqlite_url, stripe)
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE credit_purchases (id INTEGER)")
    done = set_up(host)
    assert done.exit_code == 1
    assert steps(done) == ["db upgrade", "doctor"]
    assert "rename or drop them" in done.stderr
    assert at_stripe(stripe, "product") == 0


def test_live_data_is_only_set_up_on_purpose(sqlite_url: str, stripe: Sandbox) -> None:
    host = fresh(sqlite_url, stripe, STRIPE_SECRET_KEY=new_api_key("live"))
    refused = set_up(host)
    assert refused.exit_code == 1
    assert "add --live if that is meant" in refused.stderr
    assert steps(refused) == []
    with host.app.app_context():
        assert host.db.inspect(host.db.engine).get_table_names() == []
    # Nobody sells the default catalogue by mistake.
    meant = set_up(host, "--live")
    assert "packages load" not in steps(meant)
    assert for_sale(host) == []


def test_a_test_key_is_no_live_key(sqlite_url: str, stripe: Sandbox) -> None:
    refused = set_up(fresh(sqlite_url, stripe), "--live")
    assert refused.exit_code == 1
    assert "the API key is a test key" in refused.stderr


def test_a_sandbox_is_refused_beside_live_purchases(database_url: str, stripe: Sandbox) -> None:
    host = fresh(database_url, stripe, tables=True)
    host.add_purchase(livemode=True)
    done = set_up(host)
    assert done.exit_code == 1
    assert "this database has purchases of live mode" in done.stderr
    # Nothing was done to the shop's tables either.
    assert steps(done) == []
    assert for_sale(host) == []
    assert at_stripe(stripe, "product") == 0


def test_made_up_keys_must_be_the_ones_in_use(
    sqlite_url: str, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "STRIPE_SECRET_KEY": new_api_key(),
        "STRIPE_WEBHOOK_SECRET_CREDITS": new_secret(),
        "STRIPE_CREDITS_API_BASE": stripe.url,
        "STRIPE_CREDITS_BASE_URL": "http://127.0.0.1:5000",
    }.items():
        monkeypatch.setenv(name, value)
        nothing = dict.fromkeys(os.environ.keys() & _OURS)
        host = fresh(sqlite_url, stripe, **nothing | {name: _another(value)})
        refused = set_up(host, "--made-up-keys")
        assert refused.exit_code == 1
        assert f"app.config sets {name} itself" in refused.stderr
        assert value not in refused.output
        assert steps(refused) == []
    assert set_up(fresh(sqlite_url, stripe, **nothing), "--made-up-keys").exit_code in (0, 2)


_OURS = {
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET_CREDITS",
    "STRIPE_CREDITS_API_BASE",
    "STRIPE_CREDITS_BASE_URL",
}


def _another(value: str) -> str:
    return value[:-1] + ("1" if value[-1] != "1" else "2")


APP = """
import os
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_stripe_credits import StripeCredits

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
db = SQLAlchemy(app)
credits = StripeCredits(app, db)
credits.on_grant(lambda grant: None)
credits.user_id_loader(lambda: "alice")
"""


def test_killed_after_any_line_it_can_be_run_again_even_twice_at_once(
    database_url: str, stripe: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)
    environment = {name: value for name, value in os.environ.items() if "STRIPE" not in name} | {
        "DATABASE_URL": database_url,
        "STRIPE_SECRET_KEY": new_api_key(),
        "STRIPE_WEBHOOK_SECRET_CREDITS": new_secret(),
        "STRIPE_CREDITS_API_BASE": stripe.url,
        "STRIPE_CREDITS_BASE_URL": "http://127.0.0.1:9",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "flask", "credits", "setup"]
    for lines in (2, 6, 8):
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(lines):
                process.stdout.readline()
            process.kill()
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 2, said
        assert re.findall(r"^error +(\S+)", said, re.MULTILINE) == ["webhook_endpoint"]
    products = stripe.objects("product")
    assert sorted(product["name"] for product in products) == [
        "Enterprise Pack",
        "Pro Pack",
        "Standard Pack",
        "Starter Pack",
    ]
    assert at_stripe(stripe, "price") == len(CODES)
