"""``flask credits dev`` as a child process, and what a person would do beside it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.ports import free_port

from ..hosts import PREFIX

READY = "Ctrl-C stops all"
# The machine may be busy with the rest of the suite.
SECONDS = 300
APP = """
from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column
from flask_stripe_credits import StripeCredits

db = SQLAlchemy()
credits = StripeCredits(db=db)

class LedgerEntry(db.Model):
    id: Mapped[str] = mapped_column(primary_key=True)
    credits: Mapped[int]

@credits.on_grant
def book(grant, session):
    session.add(LedgerEntry(id=grant.id, credits=grant.credits))

@credits.user_id_loader
def user_id():
    return request.headers.get("Authorization")

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    app.config["SECRET_KEY"] = "only for tests"
    app.config["STRIPE_CREDITS_PAGES"] = "/credits"
    app.config.from_prefixed_env()
    db.init_app(app)
    credits.init_app(app)
    with app.app_context():
        db.create_all()
    return app
"""


class Dev:
    """One app in a folder of its own, and the command that runs it beside a sandbox."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.sandbox_port = free_port(), free_port()
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("STRIPE_", "FLASK_"))
        } | {"PYTHONUNBUFFERED": "1"}
        (folder / "app.py").write_text(APP)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def spawn(self, *arguments: str) -> Running:
        """Start it without waiting for anything."""
        ports = ["--port", str(self.port), "--sandbox-port", str(self.sandbox_port)]
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "credits", "dev", *ports, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return Running(process)

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[Running]:
        """Start it, and stop it at the end, whatever happens."""
        running = self.spawn(*arguments)
        try:
            yield running
        finally:
            running.stop(signal.SIGTERM)

    def refused(self, *arguments: str) -> str:
        """Return what it said when it was to refuse."""
        code, said = self.spawn(*arguments).end()
        assert code in (1, 2), said
        assert "Traceback" not in said
        assert not listening(self.port) and not listening(self.sandbox_port)
        return said

    def buy(self) -> str:
        """Buy and pay the starter package; return the purchase's id."""
        _, purchase = self.ask(f"{self.url}{PREFIX}/purchase", {"package_code": "starter"})
        form = {"payment_method": "pm_card_visa"}
        self.at_sandbox(f"payment_pages/{purchase['session_id']}/confirm", form)
        return str(purchase["purchase_id"])

    def refund(self, purchase_id: str) -> None:
        """Refund all of it in the sandbox."""
        _, purchase = self.ask(f"{self.url}{PREFIX}/purchases/{purchase_id}")
        self.at_sandbox("refunds", {"payment_intent": purchase["stripe_payment_id"]})

    def at_sandbox(self, path: str, form: dict[str, str]) -> Any:
        request = urllib.request.Request(
            f"{self.sandbox_url}/v1/{path}",
            urllib.parse.urlencode(form).encode(),
            {"Authorization": f"Bearer sk_test_{secrets.token_hex(16)}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def ask(self, url: str, document: Any = None) -> tuple[int, Any]:
        body = None if document is None else json.dumps(document).encode()
        headers = {"Authorization": "alice", "Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)

    def ledger(self) -> list[int]:
        connection = sqlite3.connect(self.folder / "instance" / "shop.db")
        try:
            rows = connection.execute("SELECT credits FROM ledger_entry ORDER BY rowid").fetchall()
        finally:
            connection.close()
        return [credits for (credits,) in rows]

    def wait_for_ledger(self, expected: list[int]) -> None:
        """Wait until the webhook has brought it to ``expected``."""
        deadline = time.monotonic() + SECONDS
        while self.ledger() != expected:
            assert time.monotonic() < deadline, self.ledger()
            time.sleep(0.05)


class Running:
    """The command's process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Read what it says until a line matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended with {self.process.wait()}:\n{self.said}")

    def descendants(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def end(self) -> tuple[int, str]:
        """Wait for its end; return the exit code and all that it said."""
        self.said += self.process.communicate(timeout=SECONDS)[0]
        return self.process.returncode, self.said

    def stop(self, number: int) -> tuple[int, str]:
        """Send a signal and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        if self.process.stdout is not None and not self.process.stdout.closed:
            return self.end()
        return self.process.returncode, self.said


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
