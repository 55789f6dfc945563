"""Run a host's ``flask`` command lines in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HOST_APP = Path(__file__).with_name("host_app.py")

WARNINGS = ",".join(
    [
        "error",
        # The env.py that Flask-Migrate writes asks Flask-SQLAlchemy in the old way first.
        "ignore:'get_engine' is deprecated:DeprecationWarning",
        # A host's process ends without closing the idle connections of its pool.
        "ignore::ResourceWarning",
    ]
)


@dataclass
class FlaskProcess:
    """Runs ``flask …`` for :mod:`.host_app` with its history in ``folder``."""

    folder: Path
    environment: dict[str, str]
    python: str = sys.executable
    app: Path = HOST_APP
    output: str = field(default="", init=False)

    def run(self, *arguments: str) -> int:
        return self.run_python("-m", "flask", *arguments)

    def run_python(self, *arguments: str) -> int:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        own = {
            "FLASK_APP": str(self.app),
            "HOST_MIGRATIONS": str(self.folder / "migrations"),
            "PYTHONWARNINGS": WARNINGS,
        }
        finished = subprocess.run(
            [self.python, *arguments],
            cwd=self.folder,
            env=kept | own | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = finished.stdout
        return finished.returncode

    def succeed(self, *commands: str) -> None:
        for command in commands:
            assert self.run(*command.split()) == 0, f"flask {command}\n{self.output}"

    @property
    def revisions(self) -> list[str]:
        """The sources of the host's own revisions, oldest first."""
        files = (self.folder / "migrations" / "versions").glob("*.py")
        return [file.read_text() for file in sorted(files, key=lambda file: file.stat().st_mtime)]
