"""A host app behind several real processes on one listening socket, as a process of its own.

``python -m tests.kills.server '<json>'``. The first process builds the app and forks the workers; a
worker that ended is noted in a file and replaced at once. It stops when its standard input ends.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flask import request

from flask_stripe_credits import checkout, settlement

from ..hosts import PREFIX, Host, make_host
from ..naive import shops
from .board import Board
from .steps import Steps, patch, reach_every_call


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class InheritedServer(WSGIServer):
    """One request at a time, from a socket that other processes accept on too."""

    def __init__(self, listener: socket.socket, application: Callable[..., Any]) -> None:
        super().__init__(("127.0.0.1", 0), QuietHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()
        self.setup_environ()
        self.set_app(application)


class Master:
    """Forks the workers and replaces those that end."""

    def __init__(self, config: dict[str, Any], host: Host) -> None:
        self.board = Board(Path(config["board"]))
        self.deaths = Path(config["deaths"])
        self.listener = socket.socket(fileno=config["listener"])
        self.steps = Steps()
        self.application = patch(host.app, self.steps)
        trace = config.get("trace")
        if trace is not None:
            self.steps.trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.every_call = config["every_call"]
        self.workers: dict[int, int] = {}
        self.stopping = False

    def run(self, count: int) -> None:
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in range(count):
            self.fork(number)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([sys.stdin, awake], [], [])
            if sys.stdin in ready:
                break
            os.read(awake, 1024)
            self.replace()
        signal.set_wakeup_fd(-1)
        for pid in self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def replace(self) -> None:
        ended = os.WEXITED | os.WNOHANG
        while found := os.waitid(os.P_ALL, 0, ended | os.WNOWAIT):
            number = self.workers.pop(found.si_pid)
            slot = self.board.slot(number)
            # Before the number may be given to a process of somebody else's.
            slot.pid = 0
            os.waitid(os.P_PID, found.si_pid, ended)
            killed = found.si_code == os.CLD_KILLED
            death = {"by": found.si_status if killed else 0, "inside": slot.inside}
            death["step"] = slot.step
            with self.deaths.open("a") as file:
                file.write(json.dumps(death) + "\n")
            self.fork(number)

    def fork(self, number: int) -> None:
        slot = self.board.slot(number)
        slot.inside = False
        pid = os.fork()
        if pid == 0:
            self.work(number)
        slot.pid = pid
        self.workers[pid] = number

    def work(self, number: int) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # As a server that gives its worker no more time: in the middle of whatever it does.
        signal.signal(signal.SIGTERM, self.stop)
        self.steps.slot = self.board.slot(number)
        if self.every_call:
            reach_every_call(self.steps)
        server = InheritedServer(self.listener, self.application)
        try:
            while not self.stopping:
                server.handle_request()
        finally:
            os._exit(0)

    def stop(self, *_: object) -> NoReturn:
        self.stopping = True
        raise SystemExit


def build(config: dict[str, Any]) -> Host:
    """The host of the test once more, on the same database and with the same secrets."""
    host = make_host(config["database_url"], tables=False, **config["settings"])
    host.app.testing = False
    # Whoever comes after a process that died needn't wait for what it had claimed.
    checkout.LEASE = dt.timedelta(0)
    settlement.ASK_AT_MOST_EVERY = dt.timedelta(0)
    host.credits.user_id_loader(lambda: request.headers.get("X-User"))
    for handler in shops.NAIVE:
        shops.serve(host, handler)
    return host


def warm_up(host: Host, config: dict[str, Any]) -> None:
    """Import and compile what every worker would; no connection may outlive the fork."""
    given, client = config["warm_up"], host.app.test_client()
    answer = client.post(
        f"{PREFIX}/webhook",
        data=given["body"],
        headers={"Stripe-Signature": given["signature"]},
    )
    assert answer.status_code == 200, answer.text
    if config["selling"]:
        who = {"X-User": given["user"]}
        opened = client.post(f"{PREFIX}/purchase", json={"package_code": "starter"}, headers=who)
        assert opened.status_code == 201, opened.text
        found = client.get(f"{PREFIX}/purchases/{opened.json['purchase_id']}", headers=who)
        assert found.status_code == 200, found.text
    with host.app.app_context():
        host.db.engine.dispose()
    gc.freeze()


def main() -> None:
    config = json.loads(sys.argv[1])
    host = build(config)
    warm_up(host, config)
    Master(config, host).run(config["workers"])


if __name__ == "__main__":
    main()
