"""A missing key is an alarm where routes are served, and no noise above a command's answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
APP = """
from tests.hosts import make_host

app = make_host("sqlite:///{path}", STRIPE_SECRET_KEY="").app
"""
ALARM = "STRIPE_SECRET_KEY isn't set: until it is mended"


def flask(app: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flask", "--app", str(app), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )


def test_only_what_serves_routes_alarms_about_settings(tmp_path: Path) -> None:
    app = tmp_path / "shop_app.py"
    app.write_text(APP.format(path=tmp_path / "shop.sqlite"))
    loaded = flask(app, "credits", "packages", "load")
    assert (loaded.returncode, loaded.stderr) == (0, "")
    needs_it = flask(app, "credits", "sync")
    assert (needs_it.returncode, needs_it.stderr) == (1, "Error: STRIPE_SECRET_KEY isn't set\n")
    assert ALARM in flask(app, "routes").stderr
