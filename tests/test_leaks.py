"""The watch over every test's log and output sees what it should see."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from .leaks import leaks
from .payloads import checkout_session, encode, new_api_key, new_secret, sign

TEST = """
import logging
from tests.payloads import new_secret

def test_debug():
    logging.getLogger("shop").debug("the secret is %s", new_secret())

def test_print():
    print(new_secret())

def test_silent():
    assert new_secret()
"""


def test_F16_every_kind_of_secret_is_seen() -> None:
    purchase = {
        "id": "1",
        "stripe_checkout_session_id": "cs_1",
        "unit_amount": 1,
        "currency": "usd",
        "user_id": "alice",
        "amount_credits": 1,
        "package_code": "starter",
    }
    for shown in (
        new_secret(),
        new_api_key(),
        new_api_key("live"),
        sign(b"{}", new_secret()),
        encode(checkout_session(purchase)).decode(),
    ):
        assert leaks(f"before {shown!r} after")
    assert leaks("whsec_placeholder sk_test_1 v1=0 whsec_...") == []


def test_F16_I13_a_test_that_shows_a_secret_fails(tmp_path: Path) -> None:
    (tmp_path / "test_shows.py").write_text(TEST)
    command = "-m pytest -q -p tests.leaks -p no:cacheprovider -p no:xdist --rootdir".split()
    run = subprocess.run(
        [sys.executable, *command, str(tmp_path), str(tmp_path)], capture_output=True, text=True
    )
    assert "2 failed, 1 passed" in run.stdout, run.stdout + run.stderr
    assert "test_debug shows whsec_" in run.stdout
    assert "test_print shows whsec_" in run.stdout


def test_F16_everything_is_logged_while_tests_run(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("anybody").debug("all of it")
    assert "all of it" in caplog.text
