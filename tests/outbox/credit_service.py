"""A credit manager elsewhere: an HTTP service in a process of its own, with a database of its own.

``python -m tests.outbox.credit_service PORT DATABASE DIE_EVERY keyed|unkeyed``: after every
``DIE_EVERY``-th booking it is killed, before it answers. Unkeyed, it adds up what it is told.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _serve(port: int, database: str, die_every: int, keyed: bool) -> None:
    class Service(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if told["user_id"] == "nobody":
                self._answer(404)
                return
            grant_id = self.path.rpartition("/")[2]
            with closing(sqlite3.connect(database)) as entries, entries:
                done = entries.execute(
                    "INSERT INTO entries (id, user_id, credits) VALUES (?, ?, ?)"
                    " ON CONFLICT (id) DO NOTHING",
                    (grant_id if keyed else uuid.uuid4().hex, told["user_id"], told["credits"]),
                )
            if done.rowcount == 1 and done.lastrowid and done.lastrowid % die_every == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._answer(204)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with closing(sqlite3.connect(database)) as entries, entries:
        entries.execute(
            "CREATE TABLE IF NOT EXISTS entries"
            " (number INTEGER PRIMARY KEY, id TEXT UNIQUE, user_id TEXT, credits INTEGER)"
        )
    server = HTTPServer(("127.0.0.1", port), Service)
    print(server.server_port, flush=True)
    server.serve_forever()


class CreditService:
    """The process, as its test holds it: it can be down, die, and be started again."""

    def __init__(self, database: Path, *, die_every: int = 1_000_000, keyed: bool = True) -> None:
        self.database = database
        self.port = 0
        self.deaths = 0
        self._arguments = [str(database), str(die_every), "keyed" if keyed else "unkeyed"]
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, again at the same port."""
        module = [sys.executable, "-m", "tests.outbox.credit_service"]
        self._process = subprocess.Popen(
            [*module, str(self.port), *self._arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def restart_if_dead(self) -> None:
        assert self._process is not None
        # It may be dying: give the kernel a moment to tell.
        time.sleep(0.05)
        if self._process.poll() is not None:
            self.deaths += 1
            self.kill()
            self.start()

    def balance(self) -> dict[str, int]:
        """User → credits."""
        with closing(sqlite3.connect(self.database)) as entries:
            rows = entries.execute("SELECT user_id, sum(credits) FROM entries GROUP BY user_id")
            return dict(rows.fetchall())


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "keyed")
