"""A shop in processes of its own, as the test that kills them holds it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..hosts import PREFIX, Host
from ..naive.shops import Handler
from ..payloads import encode, sign
from .board import Board, Slot

ROOT = Path(__file__).resolve().parents[2]
LONGEST_ANSWER_SECONDS = 60.0
MOST_DELIVERIES = 200
WARM_UP_USER = "warm-up"
_PASSED_ON = (
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET_CREDITS",
    "STRIPE_CREDITS_API_BASE",
)


@dataclass(frozen=True, slots=True)
class Death:
    """How one worker ended: the signal, whether inside a request, and the last step of it."""

    by: int
    inside: bool
    step: str

    @property
    def killed(self) -> bool:
        return self.by == signal.SIGKILL


class ShopProcesses:
    """Workers that serve ``host``'s app on a loopback port, with its database and secrets.

    :param folder: where the processes leave what they share.
    :param trace: write down every step that is reached.
    :param every_call: each call of a function of the package is a step too.
    :param selling: the workers will ask Stripe.
    """

    def __init__(
        self,
        host: Host,
        folder: Path,
        *,
        workers: int = 1,
        trace: bool = False,
        every_call: bool = False,
        selling: bool = False,
    ) -> None:
        self.host = host
        self.webhook = f"{PREFIX}/webhook"
        self.workers = workers
        self._options = {"every_call": every_call, "selling": selling}
        self._trace = str(folder / "trace") if trace else None
        self._folder = folder
        folder.mkdir()
        self._board = Board(folder / "board")

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        body = encode(self.host.paid_event(self.host.add_purchase(user_id=WARM_UP_USER)))
        settings = {name: self.host.app.config.get(name) for name in _PASSED_ON}
        config = {
            "database_url": self.host.db_url,
            "settings": {name: value for name, value in settings.items() if value is not None},
            "workers": self.workers,
            "board": str(self._folder / "board"),
            "deaths": str(self._folder / "deaths"),
            "trace": self._trace,
            "listener": self._listener.fileno(),
            "warm_up": {
                "body": body.decode(),
                "signature": self._sign(body),
                "user": WARM_UP_USER,
            },
            **self._options,
        }
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kills.server", json.dumps(config)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[self._listener.fileno()],
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the processes didn't start:\n{self.log}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()
        self._listener.close()
        self._board.close()

    def use(self, handler: Handler) -> None:
        """Deliver to a naive webhook from now on, instead of ours."""
        self.webhook = f"/naive/{handler.__name__}"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    @property
    def slots(self) -> list[Slot]:
        return [self._board.slot(number) for number in range(self.workers)]

    @property
    def deaths(self) -> list[Death]:
        """All workers that ended so far, oldest first."""
        path = self._folder / "deaths"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Death(**json.loads(line)) for line in lines]

    def traced(self) -> list[str]:
        """The steps that were reached since the last call."""
        path = self._folder / "trace"
        steps = path.read_text().splitlines()
        os.truncate(path, 0)
        return steps

    def kill(self, slot: Slot, number: int = signal.SIGKILL) -> None:
        pid = slot.pid
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _sign(self, body: bytes) -> str:
        return sign(body, self.host.webhook_secret)

    def deliver(self, document: Mapping[str, Any]) -> int | None:
        """Deliver one event; the status of the answer, or None if none came."""
        body = encode(document)
        answer = self.post(self.webhook, body, {"Stripe-Signature": self._sign(body)})
        return None if answer is None else answer[0]

    def deliver_until_taken(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Deliver each until it is answered with 2xx; return how many deliveries that took."""
        count = 0
        for document in documents:
            for attempt in range(MOST_DELIVERIES):
                count += 1
                if (self.deliver(document) or 0) // 100 == 2:
                    break
                if attempt == MOST_DELIVERIES - 1:
                    raise RuntimeError(f"never taken: the test proves nothing\n{self.log[-4000:]}")
        return count

    def buy(self, user: str, *, keyed: bool) -> tuple[int, Any] | None:
        """Order the starter package for ``user``; status and document, or None without answer."""
        key = {"Idempotency-Key": f"key of {user}"} if keyed else {}
        body = b'{"package_code": "starter"}'
        answer = self.post(f"{PREFIX}/purchase", body, {"X-User": user} | key)
        if answer is None:
            return None
        status, document = answer
        # A server that ends may answer 500 in its own words.
        return status, json.loads(document) if status < 500 else None

    def get(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes] | None:
        """As :meth:`post`."""
        return self._send("GET", path, None, headers)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes] | None:
        """Send one request; status and body of the answer, or None if the process died first."""
        return self._send("POST", path, body, {"Content-Type": "application/json"} | dict(headers))

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes] | None:
        address, port = self._listener.getsockname()
        connection = http.client.HTTPConnection(address, port, timeout=LONGEST_ANSWER_SECONDS)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            # Cut off among the headers it is no answer either.
            whole = answer.getheader("Content-Length") is not None
            return (answer.status, answer.read()) if whole else None
        except (ConnectionError, http.client.HTTPException):
            return None
        finally:
            connection.close()
