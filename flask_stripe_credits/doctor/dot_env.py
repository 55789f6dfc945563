"""The file that many keep settings in, and Flask reads only where python-dotenv is installed."""

from __future__ import annotations

import os
from pathlib import Path

_FILE = Path(".env")


def how_to_set(name: str) -> str | None:
    """Say how a setting gets from ``.env`` into the app; None unless it stands only there."""
    if name in os.environ:
        return None
    try:
        lines = _FILE.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    if not any(line.removeprefix("export ").startswith(f"{name}=") for line in lines):
        return None
    return (
        f"{name} is in {_FILE}, which this process wasn't started with: `set -a; . ./.env; set +a` "
        "in the shell that starts the app, or install python-dotenv"
    )
