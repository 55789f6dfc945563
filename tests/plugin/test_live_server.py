"""Beside pytest-flask's ``live_server``, in the suite of the README's app."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ..docs.pages import ROOT
from ..docs.test_testing_page import run_suite

CONFTEST = """
import shutil
from pathlib import Path

import pytest
from shop import create_app


@pytest.fixture(scope="SCOPE")
def app():
    # Its database is in the instance folder: each app begins with an empty one.
    shutil.rmtree(Path(__file__).with_name("instance"), ignore_errors=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("STRIPE_CREDITS_SUCCESS_URL", "http://localhost/thanks")
        environment.setenv("STRIPE_CREDITS_CANCEL_URL", "http://localhost/credits")
        app = create_app()
    app.test_cli_runner().invoke(args=["credits", "packages", "load"])
    return app
"""
TEST = """
import json
from urllib.request import Request, urlopen

from flask_stripe_credits.testing import assert_invariants
from shop import LedgerEntry, db


def test_a_purchase(app, live_server, stripe_sandbox):
    call = Request(
        f"http://127.0.0.1:{live_server.port}/api/v1/billing/credits/purchase",
        b'{"package_code": "starter"}',
        {"Content-Type": "application/json", "Authorization": "Bearer let-me-in"},
    )
    with urlopen(call) as answer:
        purchase = json.load(answer)
    stripe_sandbox.pay(purchase["session_id"])
    stripe_sandbox.deliver()
    assert db.session.scalars(db.select(LedgerEntry.credits)).all() == [1000]
    assert_invariants(app)


def test_another(app, live_server, stripe_sandbox):
    test_a_purchase(app, live_server, stripe_sandbox)
"""


def run(folder: Path, scope: str) -> str:
    (source,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    (folder / "shop.py").write_text(source)
    (folder / "conftest.py").write_text(CONFTEST.replace("SCOPE", scope))
    (folder / "test_shop.py").write_text(TEST)
    # Five seconds, as pytest-flask has them, are few on a machine with much else to do.
    settings = f"[pytest]\nlive_server_scope = {scope}\naddopts = --live-server-wait=60\n"
    (folder / "pytest.ini").write_text(settings)
    return run_suite(sys.executable, folder)


def test_a_purchase_of_a_served_app(tmp_path: Path) -> None:
    told = run(tmp_path, "function")
    assert "2 passed" in told, told


def test_a_server_that_outlives_the_sandbox_is_refused(tmp_path: Path) -> None:
    told = run(tmp_path, "session")
    assert "2 errors" in told and "live_server_scope = function" in told, told
