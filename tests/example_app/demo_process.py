"""``python -m example_app.demo`` as a child process, and what a person would read off it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 120


class DemoProcess:
    """One demo with its own data folder; it can be started again on the same data."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port, self.sandbox_port = free_port(), free_port()
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PORT": str(self.port),
            "SANDBOX_PORT": str(self.sandbox_port),
            "DEMO_DATA": str(self.data),
            # As in a shell where somebody has worked with real keys before.
            "STRIPE_SECRET_KEY": "sk_live_" + "not-ours",
        }

    def ask(self, *arguments: str) -> str:
        """What a command says of this demo."""
        command = [sys.executable, "-m", "example_app.demo", *arguments]
        ended = subprocess.run(
            command, cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def spawn(self) -> subprocess.Popen[str]:
        """Start the process without waiting for anything."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "example_app.demo"],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self.process

    def start(self) -> str:
        """Start it, wait until it says that all is ready, and return what it said."""
        process = self.spawn()
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C stops everything" in line:
                return "".join(said)
        raise AssertionError(f"the demo ended with {process.wait()}:\n{''.join(said)}")

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal and wait for the end; return the exit status and the last words."""
        process = self.process
        if process is None:
            return 0, ""
        self.process = None
        if process.poll() is None:
            process.send_signal(number)
        said, _ = process.communicate(timeout=STOP_SECONDS)
        return process.returncode, said

    @property
    def secrets(self) -> dict[str, str]:
        loaded: dict[str, str] = json.loads((self.data / "secrets.json").read_text())
        return loaded

    def ledger(self, user_id: str) -> list[tuple[int, str]]:
        """Return the credits and reasons of a user's ledger entries, read from the file."""
        query = "SELECT credits, reason FROM ledger_entries WHERE user_id = ? ORDER BY created_at"
        return self._rows(query, user_id)

    def statuses(self, user_id: str) -> list[str]:
        """Return the statuses of a user's purchases, oldest first, read from the file."""
        query = "SELECT status FROM credit_purchases WHERE user_id = ? ORDER BY created_at"
        return [status for (status,) in self._rows(query, user_id)]

    def wait_for_status(self, purchase_id: str, status: str, seconds: float = 60) -> None:
        """Wait until the webhook has brought a purchase to ``status``."""
        query = "SELECT status FROM credit_purchases WHERE id = ?"
        key = uuid.UUID(purchase_id).hex
        self._wait_until(lambda: self._rows(query, key) == [(status,)], seconds)

    def wait_for_ledger(
        self, user_id: str, entries: list[tuple[int, str]], seconds: float = 60
    ) -> None:
        """Wait until the webhook has brought a user's ledger to ``entries``."""
        self._wait_until(lambda: self.ledger(user_id) == entries, seconds)

    def _wait_until(self, is_so: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, "the webhook hasn't brought it about"
            time.sleep(0.05)

    def session_of(self, purchase_id: str) -> dict[str, str]:
        """Return a purchase's id and that of its Checkout Session, read from the file."""
        query = "SELECT stripe_checkout_session_id FROM credit_purchases WHERE id = ?"
        ((session_id,),) = self._rows(query, uuid.UUID(purchase_id).hex)
        return {"purchase_id": purchase_id, "session_id": session_id}

    def balance(self, user_id: str) -> int:
        """Return the balance as the API tells it, once the ledger agrees."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/credits/balance",
            headers={"Authorization": f"Bearer demo-{user_id}"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        assert answer["user_id"] == user_id
        assert answer["balance"] == sum(credits for credits, _ in self.ledger(user_id))
        return int(answer["balance"])

    def _rows(self, query: str, *parameters: str) -> list[Any]:
        connection = sqlite3.connect(f"file:{self.data / 'app.db'}?mode=ro", uri=True)
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()
