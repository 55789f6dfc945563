from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from flask_stripe_credits.doctor import Level, watching

from ..hosts import make_host
from .examined import only

TOKEN = secrets.token_urlsafe(24)


def test_metrics(sqlite_url: str) -> None:
    host = make_host(sqlite_url, tables=False)
    assert only(host, "metrics").found.startswith("counted, and shown by an exporter of your own")
    host = make_host(sqlite_url, tables=False, STRIPE_CREDITS_METRICS_TOKEN=TOKEN)
    found = only(host, "metrics")
    assert found.found == "counted, and shown at /api/v1/billing/credits/metrics"
    host = make_host(sqlite_url, tables=False, STRIPE_CREDITS_METRICS=False)
    assert only(host, "metrics").found.startswith("off: ")


def test_nothing_is_counted_without_the_library(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "is_installed", lambda: False)
    host = make_host(sqlite_url, tables=False)
    assert only(host, "metrics").level is Level.OK
    host = make_host(sqlite_url, tables=False, STRIPE_CREDITS_METRICS_TOKEN=TOKEN)
    found = only(host, "metrics")
    assert found.level is Level.WARNING
    assert found.command == 'pip install "flask-stripe-credits[metrics]"'
    assert TOKEN not in found.found


def test_a_directory_that_is_not_there(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host(sqlite_url, tables=False)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "missing"))
    found = only(host, "metrics")
    assert found.level is Level.ERROR
    assert "which can't be written to" in found.found
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert only(host, "metrics").level is Level.OK
