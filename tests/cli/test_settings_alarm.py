"""A missing key is an alarm where routes are served, and no noise above a command's answer."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.cli import FlaskGroup

from ..hosts import make_host

ROOT = Path(__file__).parents[2]
APP = """
from tests.hosts import make_host

app = make_host("sqlite:///{path}", STRIPE_SECRET_KEY="").app
"""
ALARM = "STRIPE_SECRET_KEY isn't set: until it is mended"


def flask(app: Path, *arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flask", "--app", str(app), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": str(ROOT)}
    )


def test_only_what_serves_routes_alarms_about_settings(tmp_path: Path) -> None:
    app = tmp_path / "shop_app.py"
    app.write_text(APP.format(path=tmp_path / "shop.sqlite"))
    loaded = flask(app, "credits", "packages", "load")
    assert (loaded.returncode, loaded.stderr) == (0, "")
    needs_it = flask(app, "credits", "sync")
    assert (needs_it.returncode, needs_it.stderr) == (1, "Error: STRIPE_SECRET_KEY isn't set\n")
    assert ALARM in flask(app, "routes").stderr


def test_an_app_that_is_called_like_our_commands_alarms_all_the_same(tmp_path: Path) -> None:
    app = tmp_path / "credits"
    app.with_suffix(".py").write_text(APP.format(path=tmp_path / "shop.sqlite"))
    started = flask(Path("credits"), "routes", folder=tmp_path)
    assert (started.returncode, ALARM in started.stderr) == (0, True)
    ours = flask(Path("credits"), "--debug", "credits", "packages", "load", folder=tmp_path)
    assert (ours.returncode, ours.stderr) == (0, "")


def test_another_line_than_the_processs_alarms(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "--no-option-of-flask"])
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "false")  # the group sets it, for good
    group = FlaskGroup(create_app=lambda: make_host(sqlite_url, STRIPE_SECRET_KEY="").app)
    result = CliRunner().invoke(group, ["credits", "packages", "load"])
    assert result.exit_code == 0, result.output
    alarms = [one.getMessage() for one in caplog.records if one.levelno == logging.CRITICAL]
    assert any(ALARM in line for line in alarms)
