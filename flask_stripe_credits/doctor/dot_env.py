"""The file that many keep settings in, and Flask reads only where python-dotenv is installed."""

from __future__ import annotations

import os
from pathlib import Path

from ..env_files import assignment, sourcing
from .patient import Patient

_FILE = Path(".env")


def how_to_set(patient: Patient, name: str) -> str | None:
    """Say how a setting gets from ``.env`` into the app; None unless it stands only there."""
    if patient.app.config.get(name) or os.environ.get(name):
        return None
    try:
        lines = _FILE.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = filter(None, map(assignment(name).match, lines))
    if not any(match["value"].strip() for match in found):
        return None
    return (
        f"{name} is in {_FILE}, which this process wasn't started with: `{sourcing(_FILE)}` "
        "in the shell that starts the app, or install python-dotenv"
    )
