"""``flask credits deliver``: what it prints, how it exits and how it is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_stripe_credits import GrantSnapshot

from ..hosts import make_host
from ..payloads import new_api_key
from .conftest import Clock, Shop, make_shop

ROOT = Path(__file__).resolve().parents[2]


def _run(shop: Shop, *options: str) -> Any:
    return shop.host.app.test_cli_runner().invoke(args=["credits", "deliver", *options])


def test_it_names_every_grant_and_exits_with_0_when_nothing_is_left(shop: Shop) -> None:
    purchase = shop.buy()
    shop.refund(purchase, 400)
    result = _run(shop)
    ids = [row["id"] for row in shop.host.grants()]
    assert result.output.splitlines() == [
        "Stripe in test mode, site local, delivery outbox",
        f"delivered  grant {ids[0]} of purchase {purchase['id']}: +1,000 credits for 'alice'",
        f"delivered  grant {ids[1]} of purchase {purchase['id']}: -400 credits for 'alice'",
        "nothing is left to deliver",
    ]
    assert result.exit_code == 0
    assert _run(shop).output.splitlines()[1:] == ["nothing is left to deliver"]


def test_it_exits_with_2_while_something_is_left_and_tells_when_it_is_tried_again(
    shop: Shop, clock: Clock
) -> None:
    def fail(grant: GrantSnapshot) -> None:
        raise RuntimeError("password=secret")

    shop.manager.trouble = fail
    purchase = shop.buy()
    shop.refund(purchase, 400)
    result = _run(shop)
    assert result.exit_code == 2
    assert re.search(
        r"^failed     grant .* for 'alice': RuntimeError; next attempt at 20\S+$",
        result.output,
        re.MULTILINE,
    )
    assert result.output.endswith("2 left undelivered\n")
    assert "secret" not in result.output
    # Nothing is due now, but something is left all the same.
    assert (_run(shop).exit_code, len(shop.manager.calls)) == (2, 1)
    shop.manager.trouble = None
    clock.pass_by(seconds=1)
    assert _run(shop).exit_code == 0


def test_what_waits_for_a_decision_is_counted_and_is_no_failure(shop: Shop) -> None:
    def refuse(grant: GrantSnapshot) -> None:
        raise shop.host.credits.Refuse("no such user")

    shop.manager.trouble = refuse
    shop.buy()
    result = _run(shop)
    assert "refused    grant" in result.output
    assert result.output.endswith(
        "1 undelivered in review, until somebody decides\nnothing is left to deliver\n"
    )
    assert result.exit_code == 0


def test_what_somebody_else_has_in_hand_is_not_left(shop: Shop) -> None:
    exits: list[int] = []

    def look(grant: GrantSnapshot) -> None:
        exits.append(_run(shop).exit_code)

    shop.manager.trouble = look
    shop.buy()
    assert (shop.deliver(), exits) == (1, [0])


@pytest.mark.parametrize(
    ("mode", "options", "said"),
    [
        ("live", ["--live"], "nothing is left"),
        ("live", [], "Error: the API key is a live key: add --live if that is meant"),
        ("test", ["--live"], "Error: --live was given, but the API key is a test key"),
        (None, [], "nothing is left"),
        (None, ["--live"], "nothing is left"),
    ],
)
def test_F25_live_purchases_want_to_be_meant(
    database_url: str, mode: str | None, options: list[str], said: str
) -> None:
    key = None if mode is None else new_api_key(mode)
    shop = make_shop(database_url, STRIPE_SECRET_KEY=key)
    result = _run(shop, *options)
    assert result.output.splitlines()[-1].startswith(said)
    assert result.exit_code == int(said.startswith("Error"))


def test_without_tables_it_says_what_to_do(database_url: str) -> None:
    shop = make_shop(database_url, tables=False)
    result = _run(shop)
    assert result.exit_code == 1
    assert "run `flask credits db upgrade`" in result.output


def test_in_transaction_mode_there_is_nothing_to_do(database_url: str) -> None:
    host = make_host(database_url)
    host.pay(host.add_purchase())
    result = host.app.test_cli_runner().invoke(args=["credits", "deliver"])
    assert result.output.endswith("delivery transaction\nnothing is left to deliver\n")
    assert result.exit_code == 0


_APP = """\
import pathlib, time
from tests.hosts import make_host

folder = pathlib.Path({folder!r})

def take(grant):
    with (folder / "calls").open("a") as calls:
        calls.write(grant.id + "\\n")
    time.sleep({seconds})
    with (folder / "done").open("a") as done:
        done.write(grant.id + "\\n")

host = make_host({url!r}, receiver=take, tables=False, STRIPE_CREDITS_DELIVERY="outbox")
app = host.app
"""


@contextmanager
def _watching(shop: Shop, folder: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    app = folder / "worker_app.py"
    app.write_text(_APP.format(folder=str(folder), seconds=seconds, url=shop.host.db_url))
    watching = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", str(app), "credits", "deliver", "--watch"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield watching
    finally:
        watching.kill()
        watching.communicate()


def _wait_for(file: Path, lines: int) -> list[str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.exists() and len(found := file.read_text().splitlines()) >= lines:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{file.name} never got {lines} lines")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_C05_told_to_stop_a_watching_worker_finishes_the_grant_in_hand_and_takes_no_other(
    shop: Shop, tmp_path: Path, number: signal.Signals
) -> None:
    with _watching(shop, tmp_path, seconds=0.5) as watching:
        for _ in range(3):
            shop.buy()
        _wait_for(tmp_path / "calls", 1)
        watching.send_signal(number)
        output, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0, output
    assert output.splitlines()[-1] == "Stopped."
    begun = (tmp_path / "calls").read_text().splitlines()
    assert (tmp_path / "done").read_text().splitlines() == begun
    assert begun == [str(row["id"]) for row in shop.host.grants() if row["delivered_at"]]
    assert shop.deliver() == 3 - len(begun) > 0


def test_a_watching_worker_outlives_its_database(
    new_postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    shop = make_shop(new_postgres_database())
    elsewhere = sa.create_engine(new_postgres_database(), isolation_level="AUTOCOMMIT")
    name = sa.make_url(shop.host.db_url).database
    shop.buy()
    with _watching(shop, tmp_path, seconds=0) as watching, elsewhere.connect() as server:
        _wait_for(tmp_path / "done", 1)
        assert watching.stdout is not None
        with shop.host.app.app_context():
            shop.host.db.engine.dispose()
        server.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        server.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
        while "going on" not in (line := watching.stdout.readline()):
            assert line, "it ended"
        server.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        shop.buy()
        _wait_for(tmp_path / "done", 2)
        assert watching.poll() is None


def test_a_watching_worker_delivers_what_comes_later(shop: Shop, tmp_path: Path) -> None:
    with _watching(shop, tmp_path, seconds=0) as watching:
        purchase = shop.buy()
        _wait_for(tmp_path / "done", 1)
        shop.refund(purchase, 250)
        ids = _wait_for(tmp_path / "done", 2)
        watching.send_signal(signal.SIGTERM)
        output, _ = watching.communicate(timeout=60)
    assert ids == [str(row["id"]) for row in shop.host.grants()]
    assert output.count("delivered  grant") == 2
