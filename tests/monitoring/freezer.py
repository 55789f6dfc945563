"""A proxy on loopback in front of PostgreSQL's socket that stops passing anything on: it hangs."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa


class Freezer:
    """Passes bytes on while ``flows`` is set; new connections hang as well as old ones."""

    def __init__(self, server_socket: Path) -> None:
        self.flows = threading.Event()
        self.flows.set()
        self._server = server_socket
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def close(self) -> None:
        self.flows.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self._server))
            answers = threading.Thread(target=self._copy, args=(server, client), daemon=True)
            answers.start()
            self._copy(client, server)
            answers.join(10)

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self.flows.wait()
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def freezer(database_url: str) -> Iterator[tuple[Freezer, str]]:
    """A freezer in front of the server of ``database_url``, and the URL that goes through it."""
    url = sa.make_url(database_url)
    found = Freezer(Path(str(url.query["host"])) / ".s.PGSQL.5432")
    serving = threading.Thread(target=found.serve, daemon=True)
    serving.start()
    through = url.set(host="127.0.0.1", port=found.port, query={"sslmode": "disable"})
    try:
        yield found, through.render_as_string(hide_password=False)
    finally:
        found.close()
        serving.join(10)
