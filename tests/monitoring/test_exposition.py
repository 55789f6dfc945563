"""The route that Prometheus asks: for whoever has the token, and right under gunicorn."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest
from prometheus_client import CollectorRegistry, Counter, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client

from flask_stripe_credits.errors import ConfigurationError

from ..hosts import PREFIX, Host, make_host
from ..parallel import in_parallel
from ..payloads import encode, sign
from ..ports import free_port
from .conftest import NewMetered, wait_until

TOKEN = secrets.token_urlsafe(24)
ROOT = Path(__file__).resolve().parents[2]


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and its own labels; twice the same would be an error of Prometheus."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = {
                key: value for key, value in sample.labels.items() if key not in ("site", "mode")
            }
            key = (sample.name, frozenset(own.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(text: str, name: str, **labels: str) -> float | None:
    return samples(text).get((f"stripe_credits_{name}", frozenset(labels.items())))


def scrape(host: Host, token: str = TOKEN, scheme: str = "Bearer") -> Any:
    host.user = None
    return host.client.get(f"{PREFIX}/metrics", headers={"Authorization": f"{scheme} {token}"})


def test_without_a_token_there_is_no_route(sqlite_host: Host) -> None:
    answer = scrape(sqlite_host)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_whoever_has_the_token_sees_our_metrics_and_nobody_elses(
    new_metered: NewMetered, database_url: str, meter: Any
) -> None:
    Counter("host_logins_total", "The host's own", registry=meter.registry).inc()
    host = new_metered(database_url, STRIPE_CREDITS_METRICS_TOKEN=TOKEN)
    host.pay(host.add_purchase())
    for scheme in ("Bearer", "bearer"):
        answer = scrape(host, scheme=scheme)
        assert answer.status_code == 200
        assert answer.content_type.startswith("text/plain; version=")
    assert value(answer.text, "purchases_completed_total", by="webhook") == 1
    assert value(answer.text, "database_up") == 1
    assert {name.partition("_")[0] for name, _ in samples(answer.text)} == {"stripe"}
    for token, kind in (("", "Bearer"), (TOKEN[:-1], "Bearer"), (TOKEN, "Basic"), ("é", "Bearer")):
        refused = scrape(host, token, kind)
        assert (refused.status_code, refused.json["code"]) == (401, "unauthorized")
        assert refused.headers["WWW-Authenticate"].lower() == "bearer"
        assert "stripe_credits" not in refused.text
    assert host.client.get(f"{PREFIX}/metrics").status_code == 401


def test_the_token_may_be_in_a_file_and_is_never_shown(
    tmp_path: Path, new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    host = make_host(new_database("sqlite"), STRIPE_CREDITS_METRICS_TOKEN_FILE=str(file))
    assert scrape(host).status_code == 200
    assert TOKEN not in repr(host.state) + caplog.text
    for wrong in ("short", "change-me-please-1", "with spaces in it, too", "ö" * 20):
        with pytest.raises(ConfigurationError, match="STRIPE_CREDITS_METRICS_TOKEN") as error:
            make_host("sqlite://", tables=False, STRIPE_CREDITS_METRICS_TOKEN=wrong)
        assert wrong not in str(error.value)
    with pytest.raises(ConfigurationError, match="can't be read"):
        make_host("sqlite://", tables=False, STRIPE_CREDITS_METRICS_TOKEN_FILE="/nowhere")


def test_switched_off_the_route_says_so(new_database: Callable[[str], str]) -> None:
    host = make_host(
        new_database("sqlite"),
        STRIPE_CREDITS_METRICS=False,
        STRIPE_CREDITS_METRICS_TOKEN=TOKEN,
        metrics_registry=CollectorRegistry(),
    )
    answer = scrape(host)
    assert (answer.status_code, answer.json["code"]) == (503, "not_configured")


def test_a_hosts_own_exporter_shows_them_too(metered: Host, meter: Any) -> None:
    """In a server and a thread that know nothing of the app."""
    metered.pay(metered.add_purchase())
    answer = Client(make_wsgi_app(meter.registry)).get("/metrics")
    assert value(answer.text, "purchases_completed_total", by="webhook") == 1
    assert value(answer.text, "database_up") == 1
    assert value(answer.text, "paid_not_granted", seen="recorded") == 0


# Several processes.


class Served:
    """The shop under gunicorn."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = psutil.Process(process.pid)
        self.port = port

    @property
    def workers(self) -> list[psutil.Process]:
        return self.process.children()

    def deliver(self, host: Host, document: dict[str, Any]) -> int:
        """On a connection of its own, so that any worker may get it."""
        body = encode(document)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Stripe-Signature": sign(body, host.webhook_secret)}
        connection.request("POST", f"{PREFIX}/webhook", body, headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def scrape(self) -> str:
        url = f"http://127.0.0.1:{self.port}{PREFIX}/metrics"
        with urlopen(Request(url, headers={"Authorization": f"Bearer {TOKEN}"})) as answer:
            text: str = answer.read().decode()
            return text


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}{PREFIX}/health/live"):
            return True
    except OSError:
        return False


@pytest.fixture
def two_workers(postgres_host: Host, tmp_path: Path) -> Iterator[Served]:
    port = free_port()
    (tmp_path / "metrics").mkdir()
    environ = os.environ | {
        "DATABASE_URL": postgres_host.db_url,
        "STRIPE_SECRET_KEY": postgres_host.app.config["STRIPE_SECRET_KEY"],
        "STRIPE_WEBHOOK_SECRET_CREDITS": postgres_host.webhook_secret,
        "STRIPE_CREDITS_METRICS_TOKEN": TOKEN,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
    }
    gunicorn = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    settings = ["--config", "python:tests.monitoring.gunicorn_shop", "--no-control-socket"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*gunicorn, *settings, "tests.monitoring.gunicorn_shop:create_app()"],
            cwd=ROOT,
            env=environ,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: _answers(port))
            yield Served(process, port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def test_under_gunicorn_the_sums_are_those_of_all_workers(
    postgres_host: Host, two_workers: Served, tmp_path: Path
) -> None:
    def pay(number: int) -> None:
        document = postgres_host.paid_event(postgres_host.add_purchase(user_id=f"user {number}"))
        for _ in range(2):
            assert two_workers.deliver(postgres_host, document) == 200

    wait_until(lambda: len(two_workers.workers) == 2)
    in_parallel([lambda number=number: pay(number) for number in range(12)])  # type: ignore[misc]
    files = list((tmp_path / "metrics").glob("counter_*.db"))
    assert len(files) >= 2, "each worker counts in a file of its own"
    for _ in range(4):
        text = two_workers.scrape()
        assert value(text, "purchases_completed_total", by="webhook") == 12
        assert value(text, "credits_given_total") == 12_000
        assert value(text, "webhook_deliveries_total", outcome="handled") == 24
        assert value(text, "purchase_credits_sum") == 12_000
        assert value(text, "purchase_credits_bucket", le="1000.0") == 12
        # Of the database, by the worker that was asked.
        assert value(text, "database_up") == 1
        assert value(text, "paid_not_granted", seen="recorded") == 0
        assert "host_requests" not in text
    # What a worker counted stays when it is replaced.
    gone = two_workers.workers[0]
    gone.terminate()
    wait_until(lambda: not gone.is_running() and len(two_workers.workers) == 2)
    started = time.monotonic()
    assert value(two_workers.scrape(), "purchases_completed_total", by="webhook") == 12
    assert time.monotonic() - started < 30
    assert len(postgres_host.grants()) == 12
