"""The app in a process of its own, as ``flask`` starts it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import click
from flask.cli import ScriptInfo

HOST = "127.0.0.1"
_LOOK_EVERY_SECONDS = 0.1
_STOP_SECONDS = 10.0


class AppProcess:
    """A command of the app's that runs until it ends or is stopped."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        # A session of its own keeps the terminal's Ctrl-C away: whoever started it stops it. Its
        # standard input is ours, for `breakpoint()`.
        self._process = subprocess.Popen(  # noqa: S603
            [*_flask(), *arguments], env=environment, start_new_session=True
        )

    def __enter__(self) -> AppProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self, stopped: threading.Event) -> int | None:
        """Wait for its end and return its exit code, or None once we are told to stop."""
        while (code := self._process.poll()) is None:
            if stopped.wait(_LOOK_EVERY_SECONDS):
                return None
        return code

    def wait_until_it_listens(self, port: int, stopped: threading.Event) -> bool:
        """Return whether it listens; False when it ended before, or we are told to stop."""
        while not _somebody_listens(port):
            if self._process.poll() is not None or stopped.wait(_LOOK_EVERY_SECONDS):
                return False
        return True

    def stop(self) -> None:
        """End it, and the reloader's process with it. Safe to repeat."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        # What is left of its group; on Windows there are no groups, and nothing is.
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)


def require_free(port: int, option: str) -> None:
    """Refuse a port that somebody else has.

    :raises click.ClickException: with a port that may be free.
    """
    with socket.socket() as probe:
        # As servers do it: a port that is only cooling down from the last run is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise click.ClickException(
                f"port {port} can't be used ({error.strerror}): another program has it, perhaps "
                "an earlier run, or AirPlay on a Mac. Choose another port, such as "
                f"{option} {port + 10}"
            ) from None


def _somebody_listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _flask() -> Iterator[str]:
    """The command line that has brought us here, without the command."""
    info = click.get_current_context().ensure_object(ScriptInfo)
    yield sys.executable
    if info.create_app is not None:
        # A host's own script with a `FlaskGroup`.
        yield sys.argv[0]
        return
    yield from ("-m", "flask")
    if info.app_import_path is not None:
        yield from ("--app", info.app_import_path)
