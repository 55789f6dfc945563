"""What a process imports to start, and that what it leaves for later comes whole and once."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flask_stripe_credits
import flask_stripe_credits.mail
import flask_stripe_credits.testing
from flask_stripe_credits.deferred import Deferred, import_everything

START = """
import sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_stripe_credits import StripeCredits
app, db = Flask("app"), SQLAlchemy()
app.config |= {"SQLALCHEMY_DATABASE_URI": "sqlite://", "STRIPE_CREDITS_METRICS": True, %s}
db.init_app(app)
credits = StripeCredits(app, db)
@credits.on_grant
def add(grant): ...
def loaded():
    return set(sys.modules)
"""
# Of ours, without the name of the package. Whatever else is needed to start belongs here as well.
NEEDED = {
    *("", "cli", "config", "credentials", "deferred", "errors", "extension", "host_migrations"),
    *("integers", "logs", "models", "monitoring", "origins", "receivers", "records"),
    *("setting_source", "signals", "state", "tables"),
    *("web", "web.admin", "web.blueprint", "web.exemptions", "web.late_rules", "web.routes"),
}
PAGES = {"web.pages", "web.pages.blueprint", "web.pages.dashboard"}
MAIL = {"mail", "mail.installing"}
OTHERS = {"apispec", "flask_mailman", "prometheus_client", "requests", "stripe"}


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ("", set()),
        ("'STRIPE_CREDITS_PAGES': '/credits'", PAGES),
        ("'STRIPE_CREDITS_MAIL': True", MAIL),
    ],
    ids=["default", "pages", "mail"],
)
def test_a_start_imports_only_what_it_needs(settings: str, more: set[str]) -> None:
    loaded = set(run(START % settings + "print(*loaded())").split())
    ours = {
        name.removeprefix("flask_stripe_credits").removeprefix(".")
        for name in loaded
        if name.partition(".")[0] == "flask_stripe_credits"
    }
    assert ours == NEEDED | more
    assert not OTHERS & loaded


def _modules() -> Iterator[str]:
    for found in pkgutil.walk_packages(flask_stripe_credits.__path__, "flask_stripe_credits."):
        yield found.name


def test_everything_that_is_left_for_later_is_there() -> None:
    """Or a slip of the pen would show at a buyer's first click."""
    for name in _modules():
        importlib.import_module(name)
    assert len(Deferred.known) > 40
    import_everything()
    for deferred in Deferred.known:
        function = deferred.load()
        assert (function.__module__, function.__qualname__) == (
            deferred.__module__,
            deferred.__qualname__,
        )
    for package in (flask_stripe_credits, flask_stripe_credits.mail, flask_stripe_credits.testing):
        for public in package.__all__:
            assert getattr(package, public).__name__ == public


def test_what_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"'flask_stripe_credits' has no attribute 'nothing'"):
        flask_stripe_credits.nothing  # noqa: B018


def test_many_threads_may_be_the_first(database_url: str) -> None:
    """Twelve at once import, build statements and begin to count: each of it happens once."""
    program = Path(__file__).with_name("first_requests.py")
    done = subprocess.run(
        [sys.executable, str(program), database_url], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "answers": [200] * 12,
        "ledger": [1000],
        "measured by": 1,
        "deliveries counted": 8,
        "purchases counted": 1,
    }


# Metrics, which begin with the first context.

ZEROS = """
from prometheus_client import REGISTRY
def zero():
    labels = {"site": "local", "mode": "unknown", "by": "webhook"}
    return REGISTRY.get_sample_value("stripe_credits_purchases_completed_total", labels)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "with app.app_context(): pass"),
        ("", "app.test_client().get('/nothing')"),
        # A host's own exporter in a thread asks no app.
        ("import prometheus_client", ""),
        ("from flask import Flask; Flask('other').app_context().push()", ""),
    ],
    ids=["a context", "a request", "a host with metrics of its own", "within a context"],
)
def test_metrics_are_there_before_anything_happens(before: str, after: str) -> None:
    assert run(f"{before}\n{START % ''}{after}\n{ZEROS}print(zero())") == "0.0\n"


def test_metrics_that_cannot_begin_are_in_nobodys_way() -> None:
    """As on a full disk below PROMETHEUS_MULTIPROC_DIR; here the host has taken a name of ours."""
    program = f"""{START % ""}
from flask_stripe_credits.state import state_of
from prometheus_client import Counter
Counter("stripe_credits_grants_total", "the host's own")
client = app.test_client()
print(*(client.get("/api/v1/billing/credits/health/live").status_code for _ in range(2)))
print(type(state_of(app).measurements).__name__)
"""
    assert run(program) == "200 200\nMeasurements\n"
