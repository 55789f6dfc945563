"""Stripe's own command-line client, with the sandbox in Stripe's place."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from flask_stripe_credits.sandbox import Sandbox

from ..outside import fetched, run_quietly
from .conftest import new_key

_PACKAGE, _VERSION = "@stripe/cli", "1.52.0"
_PATIENCE_SECONDS = 30
# Nobody listens there: the client asks nobody else for anything, not even for newer versions.
_NOWHERE = "http://127.0.0.1:9"


def _fetch(folder: Path) -> None:
    install = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".")
    run_quietly(*install, f"{_PACKAGE}@{_VERSION}", folder=folder)
    run_quietly("node_modules/.bin/stripe", "version", folder=folder)


def installed() -> Path:
    """Return the client's program; skips the test where there is no npm or no network."""
    return fetched(f"stripe-cli-{_VERSION}", _fetch) / "node_modules" / ".bin" / "stripe"


class CommandLineClient:
    """Runs ``stripe …`` against a sandbox.

    :param home: where it may keep its own files.
    """

    def __init__(self, program: Path, sandbox: Sandbox, home: Path) -> None:
        self._program = program
        self._where = ("--api-base", sandbox.url, "--api-key", new_key())
        self._home = home

    def __call__(self, *arguments: str) -> str:
        """Return what a command printed; it has to succeed."""
        environment = {
            "HOME": str(self._home),
            "HTTPS_PROXY": _NOWHERE,
            "PATH": os.environ["PATH"],
            "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
            "XDG_CONFIG_HOME": str(self._home),
        }
        done = subprocess.run(
            [self._program, *arguments, *self._where],
            cwd=self._home,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
        )
        assert done.returncode == 0, f"stripe {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def object(self, *arguments: str) -> dict[str, Any]:
        """Return the object that a command printed."""
        found: dict[str, Any] = json.loads(self(*arguments))
        assert "error" not in found, found
        return found

    def fixtures(self, *steps: dict[str, Any]) -> None:
        """Make requests one after the other; later ones may name what earlier ones made."""
        file = self._home / "fixtures.json"
        file.write_text(json.dumps({"_meta": {"template_version": 0}, "fixtures": list(steps)}))
        self("fixtures", str(file))
