"""A command that can't reach Stripe says so once; the host's log, if there is one, says it too."""

from __future__ import annotations

from pathlib import Path

from ..hosts import PREFIX
from .test_settings_alarm import flask

APP = """
import logging

from tests.hosts import make_host

{logging}
app = make_host("sqlite:///{path}", STRIPE_CREDITS_API_BASE="http://127.0.0.1:9").app
"""
SAID = "Error: Stripe is not available (APIConnectionError): no answer from STRIPE_CREDITS_API_BASE"


def listed(folder: Path, logging: str) -> list[str]:
    app = folder / "shop_app.py"
    app.write_text(APP.format(path=folder / "shop.sqlite", logging=logging))
    done = flask(app, "credits", "webhook", "list", "--url", f"http://127.0.0.1:1{PREFIX}/webhook")
    assert done.returncode == 1
    return done.stderr.splitlines()


def test_an_outage_is_said_once_on_the_terminal(tmp_path: Path) -> None:
    *_, last = lines = listed(tmp_path, "")
    assert last.startswith(SAID)
    assert "unavailable" not in "\n".join(lines)


def test_the_hosts_log_has_it_all_the_same(tmp_path: Path) -> None:
    lines = listed(tmp_path, "logging.basicConfig(format='LOG %(message)s')")
    assert "LOG Stripe unavailable: APIConnectionError" in lines
    assert lines[-1].startswith(SAID)
