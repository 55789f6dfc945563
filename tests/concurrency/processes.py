"""Send many requests from several processes, each with several threads, at the same moment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..hosts import PREFIX, Host
from ..payloads import encode, sign

ROOT = Path(__file__).resolve().parents[2]

_PASSED_ON = (
    "SQLALCHEMY_ENGINE_OPTIONS",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET_CREDITS",
    "STRIPE_CREDITS_API_BASE",
    "STRIPE_CREDITS_MAX_SESSIONS_PER_HOUR",
)

Request = dict[str, Any]


def delivery(host: Host, document: Any) -> Request:
    """The request with which Stripe delivers an event."""
    body = encode(document)
    headers = {"Stripe-Signature": sign(body, host.webhook_secret)}
    return {"path": f"{PREFIX}/webhook", "body": body.decode(), "headers": headers}


def purchase(user: str, package_code: str, key: str | None = None) -> Request:
    """The request with which ``user`` buys a package."""
    headers = {"X-User": user} | ({} if key is None else {"Idempotency-Key": key})
    body = json.dumps({"package_code": package_code})
    return {"path": f"{PREFIX}/purchase", "body": body, "headers": headers}


def send_from_processes(
    host: Host, processes: int, threads: Sequence[Sequence[Request]]
) -> list[list[int]]:
    """Have each process send the requests of all ``threads``, one thread for each.

    :returns: the statuses of each request until it wasn't 503, of all processes.
    """
    settings = {name: host.app.config.get(name) for name in _PASSED_ON}
    job = {
        "database_url": host.db_url,
        "settings": {name: value for name, value in settings.items() if value is not None},
        "processes": processes,
        "threads": threads,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.concurrency.worker"],
        cwd=ROOT,
        input=json.dumps(job),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers: list[list[int]] = json.loads(done.stdout)
    return answers
