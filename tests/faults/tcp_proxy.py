"""A proxy on loopback in front of PostgreSQL's socket that breaks connections at a COMMIT."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

# Stands for the whole message: the server is asked to do it, or has done it.
_COMMIT = b"COMMIT\x00"

Moment = Literal["before", "after"]


class CommitCutter:
    """Passes bytes on, until told to cut the connections that commit.

    :ivar cuts: how many connections were cut.
    """

    def __init__(self, server_socket: Path) -> None:
        self._server = server_socket
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._moment: Moment = "before"
        self._left = 0
        self._lock = threading.Lock()

    def cut(self, moment: Moment, times: int) -> None:
        """Cut the next ``times`` commits ``before`` the server hears of them, or ``after`` it did.

        The client sees the same: a connection that ended while it waited for the answer.
        """
        with self._lock:
            self._moment, self._left = moment, times

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def close(self) -> None:
        # Wakes accept(), which close() alone doesn't.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self._server))
            answers = threading.Thread(target=_copy, args=(server, client), daemon=True)
            answers.start()
            with suppress(OSError):
                while data := client.recv(65_536):
                    if _COMMIT in data and self._takes_one():
                        self._cut(data, client, server)
                        break
                    server.sendall(data)
            _end(server)
            _end(client)
            answers.join(10)

    def _takes_one(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def _cut(self, data: bytes, client: socket.socket, server: socket.socket) -> None:
        if self._moment == "after":
            # Nothing of the answer may reach the client; the server has to get through with it.
            _end(client)
            server.sendall(data + b"X\x00\x00\x00\x04")
            while server.recv(65_536):
                pass
        self.cuts += 1


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    _end(target)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def commit_cutter(database_url: str) -> Iterator[tuple[CommitCutter, str]]:
    """A cutter in front of the server of ``database_url``, and the URL that goes through it."""
    url = sa.make_url(database_url)
    cutter = CommitCutter(Path(str(url.query["host"])) / ".s.PGSQL.5432")
    serving = threading.Thread(target=cutter.serve, daemon=True)
    serving.start()
    through = url.set(host="127.0.0.1", port=cutter.port, query={"sslmode": "disable"})
    try:
        yield cutter, through.render_as_string()
    finally:
        cutter.close()
        serving.join(10)
