"""``flask credits sandbox`` as an operator runs it."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from flask import Flask

from flask_stripe_credits.cli.sandbox import sandbox as command
from flask_stripe_credits.sandbox import Sandbox

from .conftest import new_key
from .receiver import Receiver

APP = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_stripe_credits import StripeCredits
app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
app.config.from_prefixed_env()
db = SQLAlchemy(app)
StripeCredits(app, db)
"""


class Running:
    """The command in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def read_until(self, beginning: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.strip().startswith(beginning):
                return line
        raise AssertionError("".join(self.lines))

    def url(self) -> str:
        found = re.search(r"http://\S+", self.read_until("Address"))
        assert found is not None
        return found[0]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.lines += self.process.communicate(timeout=30)[0].splitlines(keepends=True)
        return self.process.returncode


@contextmanager
def running(folder: Path, *arguments: str, **settings: str) -> Iterator[Running]:
    (folder / "host.py").write_text(APP)
    environment = {key: value for key, value in os.environ.items() if "STRIPE" not in key}
    with subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "host", "credits", "sandbox", *arguments],
        cwd=folder,
        env={**environment, "PYTHONUNBUFFERED": "1", **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def make_product(url: str) -> str:
    headers = {"Authorization": f"Bearer {new_key()}"}
    answer = requests.post(f"{url}/v1/products", {"name": "x"}, headers=headers, timeout=30)
    return str(answer.json()["id"])


def test_it_delivers_with_the_apps_secret_and_keeps_its_state(
    tmp_path: Path, receiver: Receiver
) -> None:
    secret = "whsec_" + secrets.token_hex(16)
    state = tmp_path / "state.db"
    for _ in range(2):
        with running(
            tmp_path,
            "--port=0",
            f"--state={state}",
            f"--webhook={receiver.url}",
            STRIPE_WEBHOOK_SECRET_CREDITS=secret,
            STRIPE_SECRET_KEY=new_key(),
        ) as sandbox:
            url = sandbox.url()
            assert sandbox.read_until("Dashboard").endswith(f" {url}/dashboard\n")
            assert "4242 4242 4242 4242" in sandbox.read_until("Cards")
            make_product(url)
            assert receiver.received.get(timeout=30).headers["Stripe-Signature"]
            assert sandbox.stop() == 0
            assert "Stopped.\n" in sandbox.lines
            assert secret not in "".join(sandbox.lines)
    with Sandbox(state=state) as kept:
        assert len(kept.objects("product")) == 2
        (endpoint,) = kept.objects("webhook_endpoint")
        assert kept.store.hidden(endpoint["id"])["secrets"] == [secret]


def test_chaos_is_the_running_commands_too(tmp_path: Path, receiver: Receiver) -> None:
    hook = f"--webhook={receiver.url}"
    with running(tmp_path, "--port=0", hook, "--chaos=duplicate=3,early") as sandbox:
        url = sandbox.url()
        assert "duplicate=3,early" in sandbox.read_until("Chaos")
        make_product(url)
        assert receiver.received.qsize() == 3
        bodies = [json.loads(receiver.received.get().body) for _ in range(3)]
        assert len({body["id"] for body in bodies}) == 1


def test_without_a_secret_it_says_what_to_set(tmp_path: Path) -> None:
    with running(tmp_path, "--port=0", "--webhook=http://127.0.0.1:9/") as sandbox:
        sandbox.read_until("STRIPE_WEBHOOK_SECRET_CREDITS=whsec_")
        sandbox.url()
        assert sandbox.stop() == 0


def test_a_taken_port_ends_with_a_clear_message() -> None:
    with Sandbox().start() as other:
        port = other.url.rpartition(":")[2]
        result = Flask("host").test_cli_runner().invoke(command, ["--port", port])
    assert result.exit_code == 1
    assert f"Port {port} on 127.0.0.1 is taken" in result.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--host", "0.0.0.0"], "loopback"),
        (["--host", "192.0.2.1"], "loopback"),
        (["--port", "0", "--webhook", "https://example.com/hook"], "this machine"),
        (["--port", "0", "--webhook", "nonsense"], "Not a valid URL"),
        (["--port", "0", "--chaos", "loud"], "there is no loud; there are duplicate"),
        (["--port", "0", "--state", "/no/such/folder/file"], "can't be used"),
    ],
)
def test_it_refuses_what_is_not_of_this_machine(arguments: list[str], problem: str) -> None:
    result = Flask("host").test_cli_runner().invoke(command, arguments)
    assert result.exit_code != 0
    assert problem in result.output


@pytest.mark.parametrize("key", ["STRIPE_SECRET_KEY", "STRIPE_API_KEY"])
@pytest.mark.parametrize("kind", ["sk", "rk"])
@pytest.mark.parametrize("place", ["config", "environment"])
def test_it_does_not_start_beside_a_live_key(
    monkeypatch: pytest.MonkeyPatch, key: str, kind: str, place: str
) -> None:
    app = Flask("host")
    live = f"{kind}_live_" + secrets.token_hex(12)
    if place == "config":
        app.config[key] = live
    else:
        monkeypatch.setenv(key, live)
    result = app.test_cli_runner().invoke(command, ["--port", "0"])
    assert result.exit_code == 1
    assert "live key" in result.output
    assert live not in result.output
