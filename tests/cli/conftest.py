from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.webhook_endpoints import upkeep

from ..hosts import PREFIX, Host, make_host
from .operators import Operator


@pytest.fixture(scope="package")
def shared_host(_running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Host:
    url = f"sqlite:///{tmp_path_factory.mktemp('webhook') / 'database.sqlite'}"
    return make_host(url, STRIPE_CREDITS_API_BASE=_running_sandbox.url)


@pytest.fixture
def operator(
    shared_host: Host,
    stripe: Sandbox,
    quick_retries: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Operator:
    # Nobody else makes endpoints for this address.
    monkeypatch.setattr(upkeep, "SECONDS_UNTIL_LATER", 0.0)
    url = f"http://127.0.0.1:9/{uuid.uuid4().hex}{PREFIX}/webhook"
    return Operator(stripe, shared_host, url, tmp_path / "app.env")
