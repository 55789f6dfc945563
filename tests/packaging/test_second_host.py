"""A second host, written from the README alone and installed from the wheel, sells credits."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import sqlite3
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
READY_SECONDS = 60


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands(starting_with: str) -> list[str]:
    """Return the README's shell commands that begin so, without comments, lines joined."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.startswith(starting_with)]


class SecondHost:
    """The README's app in a folder, run by the README's commands on ports of our own."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder = folder
        self.port, self.sandbox_port = free_port(), free_port()
        self.secret_key = "sk_test_" + secrets.token_hex(16)
        (source,) = blocks("python")
        (folder / "app.py").write_text(source)
        ours = {name: value for name, value in os.environ.items() if not name.startswith("STRIPE_")}
        self.environment = (
            ours
            | self._exports()
            | {
                "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": "",
                "STRIPE_SECRET_KEY": self.secret_key,
                "STRIPE_WEBHOOK_SECRET_CREDITS": "whsec_" + secrets.token_hex(16),
            }
        )

    def _exports(self) -> dict[str, str]:
        pairs = (line.removeprefix("export ").split("=", 1) for line in commands("export "))
        return {name: self.on_our_ports(value) for name, value in pairs}

    def on_our_ports(self, text: str) -> str:
        ports = {"5000": str(self.port), "5001": str(self.sandbox_port)}
        return re.sub(r"\b500[01]\b", lambda found: ports[found[0]], text)

    def run(self, command: str) -> None:
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    @contextlib.contextmanager
    def running(self, command: str, port: int) -> Iterator[None]:
        with (self.folder / f"{port}.log").open("wb") as log:
            process = subprocess.Popen(
                command.split(), cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
            try:
                self._wait_for(port, process)
                yield
            finally:
                process.terminate()
                process.wait(30)

    def _wait_for(self, port: int, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while request(f"http://127.0.0.1:{port}/")[0] == 0:
            said = (self.folder / f"{port}.log").read_text()
            assert process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.05)

    def ledger(self) -> list[tuple[str, int]]:
        connection = sqlite3.connect(self.folder / "instance" / "shop.db")
        try:
            return connection.execute("SELECT user_id, credits FROM ledger_entry").fetchall()
        finally:
            connection.close()


def request(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Return status and JSON of the answer; status 0 when nobody listens yet."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data=body, headers=headers or {}), timeout=30
        ) as answer:
            text, status = answer.read(), answer.status
    except urllib.error.HTTPError as error:
        with error:
            text, status = error.read(), error.code
    except OSError:
        return 0, None
    return status, json.loads(text) if text.startswith((b"{", b"[")) else None


@pytest.fixture
def host(tmp_path: Path, wheel_venv: Path) -> SecondHost:
    return SecondHost(tmp_path, wheel_venv)


def test_readme_marks_no_more_lines_than_it_promises() -> None:
    (source,) = blocks("python")
    new = [line for line in source.splitlines() if re.search(r"  # new\b", line)]
    assert 0 < len(new) <= 10
    of_the_login = [line for line in new if "user_id" in line and "grant" not in line]
    of_the_login += [line for line in new if "let-me-in" in line]
    assert (len(new), len(of_the_login)) == (9, 3)
    words = " ".join(README.split())
    assert "nine lines marked `# new`" in words
    assert "with Flask-Login, which says who is asking, six" in words


def test_readme_alone_is_enough_to_sell_credits(host: SecondHost) -> None:
    """Without an account: nothing of Stripe's is set."""
    host.environment = {
        name: value for name, value in host.environment.items() if not name.startswith("STRIPE_")
    }
    ports = f"--port {host.port} --sandbox-port {host.sandbox_port}"
    (dev,) = commands("flask credits dev")
    with host.running(f"{dev} {ports}", host.port):
        sell(host)


def test_readme_alone_is_enough_to_sell_with_an_account(host: SecondHost) -> None:
    host.environment["STRIPE_CREDITS_API_BASE"] = f"http://127.0.0.1:{host.sandbox_port}"
    set_up, run = (one for one in commands("flask ") if one != "flask credits dev")
    assert (set_up, run) == ("flask credits setup", "flask run")
    webhook = f"http://127.0.0.1:{host.port}/api/v1/billing/credits/webhook"
    account = f"flask credits sandbox --port {host.sandbox_port} --webhook {webhook}"
    with host.running(account, host.sandbox_port):
        host.run(set_up)
        with host.running(f"{run} --port {host.port}", host.port):
            sell(host)


def sell(host: SecondHost) -> None:
    purchase = buy_with_the_readmes_curl(host)
    assert host.ledger() == []
    pay(host, purchase["session_id"])
    wait_until_completed(host, purchase["purchase_id"])
    assert host.ledger() == [("alice", 1_000)]


def buy_with_the_readmes_curl(host: SecondHost) -> dict[str, Any]:
    (curl,) = commands("curl ")
    headers = dict(re.findall(r'-H "([^:]+): ([^"]+)"', curl))
    body = re.search(r"-d '([^']+)'", curl)
    assert body is not None
    url = host.on_our_ports(curl.split()[1])
    assert request(url, body[1].encode(), headers | {"Authorization": "Bearer wrong"})[0] == 401
    status, purchase = request(url, body[1].encode(), headers)
    assert status == 201, purchase
    assert purchase["checkout_url"].startswith(f"http://127.0.0.1:{host.sandbox_port}/")
    return dict(purchase)


def pay(host: SecondHost, session_id: str) -> None:
    form = urllib.parse.urlencode({"payment_method": "pm_card_visa"}).encode()
    url = f"http://127.0.0.1:{host.sandbox_port}/v1/payment_pages/{session_id}/confirm"
    status, page = request(url, form, {"Authorization": f"Bearer {host.secret_key}"})
    assert (status, page["payment_status"]) == (200, "paid")


def wait_until_completed(host: SecondHost, purchase_id: str) -> None:
    """Wait for the webhook: this asks the history, which never asks Stripe."""
    url = f"http://127.0.0.1:{host.port}/api/v1/billing/credits/history"
    deadline = time.monotonic() + READY_SECONDS
    while True:
        status, purchases = request(url, headers={"Authorization": "Bearer let-me-in"})
        assert status == 200
        assert [purchase["id"] for purchase in purchases] == [purchase_id]
        if purchases[0]["status"] == "completed":
            return
        assert time.monotonic() < deadline, purchases
        time.sleep(0.05)
