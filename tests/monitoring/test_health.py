"""A route for load balancers: no secret, no user, no Stripe, and an answer in bounded time."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask_limiter import Limiter

from flask_stripe_credits.monitoring import health

from ..hosts import PREFIX, Host, make_host
from ..stripe_stub import StripeStub
from .conftest import wait_until
from .freezer import freezer

OK = {"status": "ok", "settings": "ok", "database": "ok", "tables": "ok"}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)


def ask(host: Host, route: str = "health") -> tuple[int, dict[str, str]]:
    host.user = None
    answer = host.client.get(f"{PREFIX}/{route}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "application/json"
    assert "Set-Cookie" not in answer.headers
    return answer.status_code, answer.json or {}


def test_a_healthy_host_with_nobody_signed_in(host: Host) -> None:
    assert ask(host) == (200, OK)
    assert ask(host, "health/live") == (200, {"status": "ok"})
    assert host.client.head(f"{PREFIX}/health").status_code == 200
    assert host.client.post(f"{PREFIX}/health").status_code == 405


def test_stripe_is_never_asked(new_database: Callable[[str], str], stub: StripeStub) -> None:
    host = make_host(new_database("sqlite"), STRIPE_CREDITS_API_BASE=stub.url)
    assert ask(host) == (200, OK)
    assert stub.requests == []


def test_missing_tables_and_columns(host: Host) -> None:
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE credit_purchases DROP COLUMN review_note"))
    assert ask(host) == (503, OK | {"status": "unavailable", "tables": "missing"})
    with host.app.app_context():
        host.db.drop_all()
    assert ask(host) == (503, OK | {"status": "unavailable", "tables": "missing"})
    assert ask(host, "health/live")[0] == 200
    with host.app.app_context():
        host.db.create_all()
    assert ask(host) == (200, OK)


def test_a_missing_key_is_told_without_its_name(new_database: Callable[[str], str]) -> None:
    host = make_host(new_database("sqlite"), STRIPE_SECRET_KEY="sk_test_placeholder")
    assert ask(host) == (503, OK | {"status": "unavailable", "settings": "incomplete"})


def test_a_database_that_cant_be_reached(tmp_path: Path) -> None:
    host = make_host(f"sqlite:///{tmp_path}/there/is/none.sqlite", tables=False)
    told = {"status": "unavailable", "database": "down", "tables": "unknown"}
    assert ask(host) == (503, OK | told)
    assert ask(host, "health/live")[0] == 200


@pytest.fixture
def within_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a database that works ever takes, even on a busy machine."""
    monkeypatch.setattr(health, "ANSWER_SECONDS", 3.0)


def test_a_database_that_hangs_is_waited_for_once_and_not_for_long(
    postgres_database_url: str, within_three_seconds: None
) -> None:
    with freezer(postgres_database_url) as (database, url):
        host = make_host(url)
        assert ask(host) == (200, OK)
        database.flows.clear()
        slow = OK | {"status": "unavailable", "database": "slow", "tables": "unknown"}
        started = time.monotonic()
        assert ask(host) == (503, slow)
        assert 2.9 < time.monotonic() - started < 30
        threads = threading.active_count()
        started = time.monotonic()
        for _ in range(20):
            assert ask(host) == (503, slow)
        assert time.monotonic() - started < 20, "not even twice"
        assert threading.active_count() == threads, "nobody else waits for the hanging database"
        assert ask(host, "health/live")[0] == 200
        database.flows.set()
        wait_until(lambda: ask(host) == (200, OK))
        with host.app.app_context():
            host.db.engine.dispose()


def test_a_pool_without_a_connection_is_slow(database_url: str, within_three_seconds: None) -> None:
    options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 30}
    host = make_host(database_url, SQLALCHEMY_ENGINE_OPTIONS=options)
    with host.app.app_context(), host.db.engine.connect():
        assert ask(host)[1]["database"] == "slow"
    wait_until(lambda: ask(host) == (200, OK))


def test_it_waits_for_no_writer(
    new_database: Callable[[str], str], within_three_seconds: None
) -> None:
    host = make_host(new_database("sqlite"))
    file = host.db_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert ask(host) == (200, OK)
        other.execute("ROLLBACK")


def test_however_often_it_is_asked_the_database_is_asked_once_a_second(
    new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 1.0)
    host = make_host(new_database("sqlite"))
    statements: list[str] = []
    with host.app.app_context():
        engine = host.db.engine
    sa.event.listen(engine, "before_cursor_execute", lambda c, u, sql, *_: statements.append(sql))
    began = time.monotonic()
    for _ in range(200):
        assert ask(host)[0] == 200
    # BEGIN, three tables and ROLLBACK.
    assert 5 <= len(statements) <= 5 * (1 + int(time.monotonic() - began))


@pytest.mark.undescribed
def test_a_hosts_rate_limit_leaves_it_alone(new_database: Callable[[str], str]) -> None:
    def limit(host: Host) -> None:
        host.app.config["RATELIMIT_STORAGE_URI"] = "memory://"
        Limiter(lambda: "everybody", app=host.app, default_limits=["1 per hour"])

    host = make_host(new_database("sqlite"), before_init=limit)
    for _ in range(3):
        assert ask(host)[0] == 200
        assert ask(host, "health/live")[0] == 200
    assert host.client.get(f"{PREFIX}/packages").status_code != 429
    assert host.client.get(f"{PREFIX}/packages").status_code == 429


def test_a_fork_doesnt_wait_for_what_its_parent_waited_for(
    new_database: Callable[[str], str],
) -> None:
    host = make_host(new_database("sqlite"))
    assert ask(host) == (200, OK)
    found = health._watches[host.app]
    found._lock.acquire()
    found._hangs = True
    child = os.fork()
    if child == 0:
        os._exit(0 if ask(host) == (200, OK) else 1)
    found._lock.release()
    found._hangs = False
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
