"""``make demo``: set everything up, start the app and the sandbox, stop both on Ctrl-C.

Run as ``python -m example_app.demo``; with arguments, such as ``credits audit``, they are a command
of Flask's that asks this demo, while it runs or afterwards. ``PORT`` and ``SANDBOX_PORT`` choose
the ports (5000 and 5001), ``DEMO_DATA`` the folder that keeps databases, secrets and logs
(``.demo``).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from .users import DEMO_PASSWORD, DEMO_USERS

ROOT = Path(__file__).resolve().parent.parent
WEBHOOK_PATH = "/api/v1/billing/credits/webhook"
FLASK = (sys.executable, "-m", "flask")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
READY_SECONDS = 60
STOP_SECONDS = 10

CARDS = (
    ("4242 4242 4242 4242", "pays"),
    ("4000 0000 0000 0002", "is declined"),
    ("4000 0025 0000 3155", "asks for 3-D Secure"),
)


class DemoError(Exception):
    """Something that the person in front of the terminal has to know."""


@dataclass(frozen=True)
class Demo:
    """Where this demo lives."""

    port: int
    sandbox_port: int
    data: Path

    @classmethod
    def from_environment(cls) -> Demo:
        """Read ``PORT``, ``SANDBOX_PORT`` and ``DEMO_DATA``."""
        port, sandbox_port = _port("PORT", 5000), _port("SANDBOX_PORT", 5001)
        if port == sandbox_port:
            raise DemoError(f"PORT and SANDBOX_PORT are both {port}; they have to differ.")
        return cls(port, sandbox_port, ROOT / os.environ.get("DEMO_DATA", ".demo"))

    @property
    def secrets_file(self) -> Path:
        return self.data / "secrets.json"

    @property
    def app_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def sandbox_command(self) -> list[str]:
        port, state = str(self.sandbox_port), str(self.data / "sandbox.db")
        command = [*FLASK, "credits", "sandbox", "--port", port, "--state", state]
        return [*command, "--webhook", self.app_url + WEBHOOK_PATH]

    def app_command(self) -> list[str]:
        return [*FLASK, "run", "--host", "127.0.0.1", "--port", str(self.port)]

    def environment(self) -> dict[str, str]:
        """The settings of both servers, free of any Stripe or Flask settings from outside."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("STRIPE_", "FLASK_"))
        }
        return inherited | {
            "PYTHONUNBUFFERED": "1",
            "FLASK_APP": "example_app",
            "FLASK_SKIP_DOTENV": "1",
            "FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{self.data / 'app.db'}",
            "STRIPE_CREDITS_API_BASE": self.sandbox_url,
            "STRIPE_CREDITS_BASE_URL": self.app_url,
            "STRIPE_CREDITS_SITE": "example-app-demo",
            **_secrets(self.secrets_file),
        }


def main() -> int:
    """Run the demo until it is told to stop, or one command; return the exit status."""
    try:
        if sys.argv[1:]:
            return command(Demo.from_environment(), sys.argv[1:])
        _listen_for_signals()
        run(Demo.from_environment())
    except DemoError as error:
        click.echo(f"\nThe demo can't run: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        click.echo("\nStopped. Everything is kept for the next `make demo`.")
    return 0


def command(demo: Demo, arguments: Sequence[str]) -> int:
    """Run one command of Flask's with this demo's settings; return its exit status.

    :raises DemoError: when this demo has never run.
    """
    if not demo.secrets_file.exists():
        raise DemoError(f"there is nothing in {demo.data} yet. Start it first: make demo")
    return subprocess.run(  # noqa: S603
        [*FLASK, *arguments], cwd=ROOT, env=demo.environment(), check=False
    ).returncode


def run(demo: Demo) -> NoReturn:
    """Set up, start both servers and watch them.

    :raises DemoError: when a step fails or a server dies; no server is left then.
    :raises KeyboardInterrupt: when told to stop; no server is left then.
    """
    for name, port in (("PORT", demo.port), ("SANDBOX_PORT", demo.sandbox_port)):
        _require_free(name, port)
    demo.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = demo.environment()
    servers: list[Server] = []
    try:
        click.echo("Starting the sandbox …")
        _start(servers, "sandbox", demo.sandbox_command(), environment, demo.data)
        _wait_until_ready(servers[-1], demo.sandbox_url)
        click.echo("Bringing the database and the packages up to date …")
        _prepare(environment)
        _start(servers, "app", demo.app_command(), environment, demo.data)
        _wait_until_ready(servers[-1], demo.app_url)
        click.echo(_welcome(demo))
        while True:
            for server in servers:
                server.require_alive()
            time.sleep(0.2)
    finally:
        for server in reversed(servers):
            server.stop()


@dataclass(frozen=True)
class Server:
    """A child process and the file that it writes its log to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def require_alive(self) -> None:
        """Raise :class:`DemoError` with the end of its log if the server has ended."""
        status = self.process.poll()
        if status is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
            raise DemoError(f"the {self.name} ended with status {status}. {self.log} says:\n{tail}")

    def stop(self) -> None:
        """End the process, kindly at first."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _start(
    servers: list[Server], name: str, command: list[str], environment: dict[str, str], data: Path
) -> None:
    log = data / f"{name}.log"
    with log.open("wb") as output, _signals_wait():
        # A session of its own keeps the terminal's Ctrl-C away: the demo stops its servers itself.
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        servers.append(Server(name, process, log))


def _prepare(environment: dict[str, str]) -> None:
    """Run :mod:`.prepare` to its end; show what it says only if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "example_app.prepare"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoError(done.stdout.strip())


def _wait_until_ready(server: Server, url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        server.require_alive()
        if _answers(url):
            return
        time.sleep(0.1)
    raise DemoError(f"the {server.name} gave no answer at {url} within {READY_SECONDS} seconds.")


def _answers(url: str) -> bool:
    # No proxy: this is about our own loopback address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _listen_for_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # One is enough: a second Ctrl-C must not interrupt the stopping.
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Put signals off until the end, so that no child is started and then forgotten."""
    arrived: list[int] = []
    for number in STOP_SIGNALS:
        signal.signal(number, lambda number, frame: arrived.append(number))
    try:
        yield
    finally:
        _listen_for_signals()
    if arrived:
        _stop(arrived[0], None)


def _port(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise DemoError(f"{name} has to be a port number, not {text!r}.")
    return int(text)


def _require_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        # As the servers do it: a port that is only cooling down from the last run is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"port {port} can't be used ({error.strerror}). "
                f"Choose another one: make demo {name}={port + 10}"
            ) from None


def _secrets(file: Path) -> dict[str, str]:
    """Return this demo's own secrets, made on the first run and readable by nobody else."""
    if not file.exists():
        made = {
            "FLASK_SECRET_KEY": secrets.token_urlsafe(32),
            "STRIPE_SECRET_KEY": "sk_test_" + secrets.token_hex(16),
            "STRIPE_WEBHOOK_SECRET_CREDITS": "whsec_" + secrets.token_hex(24),
        }
        unfinished = file.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(made, indent=2) + "\n")
        unfinished.replace(file)
    kept: dict[str, str] = json.loads(file.read_text())
    return kept


def _welcome(demo: Demo) -> str:
    users = "\n".join(
        f"    {name:<7} password {DEMO_PASSWORD}   Authorization: Bearer demo-{name}"
        for name in DEMO_USERS
    )
    python = Path(sys.executable)
    if python.is_relative_to(ROOT):
        python = python.relative_to(ROOT)
    cards = "\n".join(f"    {number}   {what}" for number, what in CARDS)
    return f"""
  Example app   {demo.app_url}
  Sandbox       {demo.sandbox_url}   a stand-in for Stripe: no real money
  Its dashboard {demo.sandbox_url}/dashboard   refund, dispute, send webhooks again
  Operators     {demo.app_url}/admin/credits/dashboard   the money, for admin
  Commands      {python} -m example_app.demo credits stats   (in another terminal)
  Logs          {demo.data}/app.log and sandbox.log

  Log in as
{users}

  Pay with (any future date, any CVC)
{cards}

  Ctrl-C stops everything.
"""


if __name__ == "__main__":
    sys.exit(main())
