"""Gunicorn with the files of the page about deploying, behind what a proxy says."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from flask_stripe_credits.sandbox import Sandbox

from ..hosts import PREFIX, Host
from ..parallel import in_parallel
from ..payloads import new_api_key, new_secret
from ..ports import free_port
from .pages import blocks, read
from .test_troubleshooting import command_of

PAGE = "how-to/deploy.md"
LONGEST_SECONDS = 180

# The shop of the page about embedding; its users are told by a header, and its factory has looked
# into the database, which is what the page's hook is for.
BESIDE_THE_PAGE = """
credits.user_id_loader(lambda: request.headers.get("X-User"))
embedded_app = create_app


def create_app():
    app = embedded_app()
    with app.app_context():
        db.create_all()
        db.session.execute(db.text("SELECT 1"))
    return app
"""


def _wait(done: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not done():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


class Deployed:
    """The page's files in a folder of their own, served by two workers."""

    def __init__(self, folder: Path, database_url: str, sandbox: Sandbox) -> None:
        self.folder = folder
        self.port = free_port()
        self.secret = new_secret()
        self.log = folder / "log"
        code = [one.code for one in blocks("how-to/embed.md") if one.language == "python"]
        (folder / "shop.py").write_text("\n\n".join([*code, BESIDE_THE_PAGE]))
        for one in blocks(PAGE):
            (folder / one.name).write_text(one.code)
        config = (folder / "gunicorn.conf.py").read_text()
        assert "127.0.0.1:8000" in config
        (folder / "gunicorn.conf.py").write_text(
            config.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}").replace(
                "workers = 3", "workers = 2"
            )
        )
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLASK_", "STRIPE_")) and not name.lower().endswith("_proxy")
        } | {
            "FLASK_SQLALCHEMY_DATABASE_URI": database_url,
            "STRIPE_SECRET_KEY": new_api_key(),
            "STRIPE_WEBHOOK_SECRET_CREDITS": self.secret,
            "STRIPE_CREDITS_API_BASE": sandbox.url,
            "STRIPE_CREDITS_SUCCESS_URL": "http://localhost/thanks",
            "STRIPE_CREDITS_CANCEL_URL": "http://localhost/credits",
        }

    def flask(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def running(self) -> Iterator[psutil.Process]:
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--no-control-socket", "wsgi:app"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
            try:
                _wait(lambda: process.poll() is not None or self.answers(), self.log)
                assert process.poll() is None, self.log.read_text()
                yield psutil.Process(process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(LONGEST_SECONDS) == 0, self.log.read_text()

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("GET", "/health/live")[0] == 200
        return False

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_SECONDS)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        text = None if body is None else json.dumps(body)
        if text:
            sent["Content-Type"] = "application/json"
        connection.request(method, PREFIX + path, text, sent)
        answer = connection.getresponse()
        told = json.loads(answer.read() or b"null")
        connection.close()
        return answer.status, told

    def buy(self, **headers: str) -> tuple[int, Any]:
        return self.ask("POST", "/purchase", {"package_code": "starter"}, **headers)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox().start(deliver=False) as sandbox:
        yield sandbox


@pytest.fixture
def deployed(tmp_path: Path, postgres_database_url: str, sandbox: Sandbox) -> Deployed:
    deployed = Deployed(tmp_path, postgres_database_url, sandbox)
    deployed.flask("credits", "packages", "load")
    sandbox.register_webhook(
        f"http://127.0.0.1:{deployed.port}{PREFIX}/webhook", secret=deployed.secret
    )
    return deployed


THROUGH_THE_PROXY = {
    "X_Forwarded_For": "203.0.113.7",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Host": "app.example.com",
    "Origin": "https://app.example.com",
    "Sec_Fetch_Site": "same-origin",
}


def test_what_workers_are_forked_from_has_imported_what_decides_on_money() -> None:
    (config,) = [one.code for one in blocks(PAGE) if one.name == "gunicorn.conf.py"]
    before_the_workers = """
import sys
import flask_stripe_credits.extension
exec(sys.argv[1], hooks := {})
hooks["when_ready"](None)
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", before_the_workers, config],
        capture_output=True,
        text=True,
        check=True,
        timeout=LONGEST_SECONDS,
    )
    named = ("facts", "fulfillment", "statements", "webhooks.receive", "gateway")
    assert {f"flask_stripe_credits.{name}" for name in named} <= set(done.stdout.split())


def test_forked_workers_sell_behind_a_proxy_and_a_killed_one_loses_nothing(
    deployed: Deployed, sandbox: Sandbox, postgres_database_url: str
) -> None:
    buyers = [f"user {number}" for number in range(6)]
    with deployed.running() as master:
        _wait(lambda: len(master.children()) == 2, deployed.log)
        assert deployed.ask("GET", "/health")[0] == 200

        def look(_: int) -> int:
            return deployed.ask("GET", "/history", X_User="alice")[0]

        # Two workers on one inherited connection would read each other's answers.
        looked = in_parallel([lambda number=number: look(number) for number in range(80)])  # type: ignore[misc]
        assert set(looked) == {200}

        def buy_and_pay(user: str) -> None:
            status, bought = deployed.buy(X_User=user, **THROUGH_THE_PROXY)
            assert status == 201, bought
            sandbox.pay(bought["session_id"], "4242424242424242", wait_seconds=None)

        in_parallel([lambda user=user: buy_and_pay(user) for user in buyers[:3]])  # type: ignore[misc]
        without = THROUGH_THE_PROXY | {"X_Forwarded_Host": "other.example"}
        status, refused = deployed.buy(X_User="alice", **without)
        assert (status, refused["code"]) == (403, "cross_site")
        killed = master.children()[0]
        killed.kill()
        killed.wait(LONGEST_SECONDS)
        in_parallel([lambda user=user: buy_and_pay(user) for user in buyers[3:]])  # type: ignore[misc]
        sandbox.deliver_pending()
        _wait(lambda: len(master.children()) == 2, deployed.log)
    engine = sa.create_engine(postgres_database_url)
    with engine.connect() as connection:
        booked = connection.execute(sa.text("SELECT user_id, credits FROM ledger_entry")).all()
    assert sorted(tuple(row) for row in booked) == [(user, 1000) for user in buyers]
    assert "Traceback" not in deployed.log.read_text()


def test_the_release_steps_are_commands(sqlite_host: Host) -> None:
    steps = re.findall(r"^flask --app wsgi (credits .*)$", read(PAGE), re.MULTILINE)
    assert "credits db upgrade" in steps
    for step in steps:
        command_of(sqlite_host.app, f"flask {step}")
