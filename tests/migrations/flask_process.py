"""Run a host's ``flask`` command lines in processes of their own."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HOST_APP = Path(__file__).with_name("host_app.py")
FORK_SERVER = Path(__file__).with_name("fork_server.py")

WARNINGS = ",".join(
    [
        "error",
        # The env.py that Flask-Migrate writes asks Flask-SQLAlchemy in the old way first.
        "ignore:'get_engine' is deprecated:DeprecationWarning",
        # A host's process ends without closing the idle connections of its pool.
        "ignore::ResourceWarning",
    ]
)


def _plain_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONWARNINGS": WARNINGS}


@functools.cache
def _fork_server() -> subprocess.Popen[str]:
    """One for all hosts on our own packages, until the tests end."""
    server = subprocess.Popen(
        [sys.executable, str(FORK_SERVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_plain_environment(),
        text=True,
    )
    atexit.register(server.communicate)
    return server


@dataclass
class FlaskProcess:
    """Runs ``flask …`` for :mod:`.host_app` with its history in ``folder``."""

    folder: Path
    environment: dict[str, str]
    python: str = sys.executable
    app: Path = HOST_APP
    output: str = field(default="", init=False)

    def run(self, *arguments: str) -> int:
        if self.python != sys.executable:
            # How another environment starts is part of what is tested with it.
            return self.run_python("-m", "flask", *arguments)
        server, output = _fork_server(), self.folder / "output.txt"
        asked = {
            "arguments": arguments,
            "environment": self._environment(),
            "folder": str(self.folder),
            "output": str(output),
        }
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        exit_code = int(server.stdout.readline())
        self.output = output.read_text()
        return exit_code

    def run_python(self, *arguments: str) -> int:
        finished = subprocess.run(
            [self.python, *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = finished.stdout
        return finished.returncode

    def _environment(self) -> dict[str, str]:
        own = {"FLASK_APP": str(self.app), "HOST_MIGRATIONS": str(self.folder / "migrations")}
        return _plain_environment() | own | self.environment

    def succeed(self, *commands: str) -> None:
        for command in commands:
            assert self.run(*command.split()) == 0, f"flask {command}\n{self.output}"

    @property
    def revisions(self) -> list[str]:
        """The sources of the host's own revisions, oldest first."""
        files = (self.folder / "migrations" / "versions").glob("*.py")
        return [file.read_text() for file in sorted(files, key=lambda file: file.stat().st_mtime)]
