"""The example app, in this process on an empty database or as the whole demo in processes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from example_app import create_app
from example_app.extensions import db
from tests.example_app.demo_process import DemoProcess

SANDBOX = "http://127.0.0.1:9"  # a loopback address is all that matters: nobody calls it


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    return {
        "TESTING": True,
        "SECRET_KEY": secrets.token_hex(16),
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'app.db'}",
        "STRIPE_SECRET_KEY": "sk_test_" + secrets.token_hex(16),
        "STRIPE_WEBHOOK_SECRET_CREDITS": "whsec_" + secrets.token_hex(16),
        "STRIPE_CREDITS_API_BASE": SANDBOX,
        "STRIPE_CREDITS_BASE_URL": "http://localhost",
    }


@pytest.fixture
def app(settings: dict[str, object]) -> Iterator[Flask]:
    """The example app with its tables and its demo users."""
    app = create_app(settings)
    runner = app.test_cli_runner()
    for command in (["credits", "db", "upgrade"], ["db", "upgrade"], ["add-demo-users"]):
        result = runner.invoke(args=command)
        assert result.exit_code == 0, result.output
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def csrf_token(client: FlaskClient, path: str = "/login") -> str:
    """Return the token that a page's forms carry."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def log_in(client: FlaskClient, name: str, password: str = "demo") -> int:
    """Send the login form; return the answer's status."""
    form = {"username": name, "password": password, "csrf_token": csrf_token(client)}
    return client.post("/login", data=form).status_code


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    """The demo as `make demo` starts it, on free ports and a folder of its own."""
    demo = DemoProcess(tmp_path_factory.mktemp("demo"))
    try:
        demo.start()
        yield demo
    finally:
        demo.stop()
