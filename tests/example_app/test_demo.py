"""`make demo`, from the first start to the last process."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from example_app import prepare
from tests.example_app.demo_process import STOP_SECONDS, DemoProcess
from tests.example_app.http_buyer import buy_and_pay

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[DemoProcess]:
    demo = DemoProcess(tmp_path / "data")
    yield demo
    demo.stop()


def children(demo: DemoProcess) -> list[psutil.Process]:
    assert demo.process is not None
    return list(psutil.Process(demo.process.pid).children(recursive=True))


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_second_run_keeps_everything_and_stopping_leaves_no_process(fresh: DemoProcess) -> None:
    said = fresh.start()
    for expected in (fresh.url, "alice", "demo-admin", "4000 0025 0000 3155"):
        assert expected in said
    assert stat.S_IMODE((fresh.data / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(fresh.data.stat().st_mode) == 0o700
    secrets = fresh.secrets
    assert set(secrets) == {
        "FLASK_SECRET_KEY",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET_CREDITS",
    }
    buy_and_pay(fresh, "alice")
    assert "1 purchases, 1 grants" in fresh.ask("credits", "audit")
    stop_whole(fresh, signal.SIGINT)
    assert "alice" in fresh.ask("credits", "purchases", "list")

    fresh.start()
    assert fresh.secrets == secrets
    assert fresh.ledger("alice") == [(1_000, "purchase")]
    assert fresh.balance("alice") == 1_000
    buy_and_pay(fresh, "alice")
    assert fresh.balance("alice") == 2_000
    stop_whole(fresh, signal.SIGTERM)

    fresh.start()
    stop_whole(fresh, signal.SIGHUP)


def stop_whole(demo: DemoProcess, number: int) -> None:
    started = children(demo)
    assert len(started) >= 2
    status, said = demo.stop(number)
    assert status == 0
    assert "Stopped" in said
    assert [child for child in started if child.is_running()] == []
    assert not listening(demo.port)
    assert not listening(demo.sandbox_port)


def test_a_command_for_a_demo_that_never_ran_says_so(fresh: DemoProcess) -> None:
    with pytest.raises(AssertionError, match="Start it first: make demo"):
        fresh.ask("credits", "audit")
    assert not fresh.data.exists()


@pytest.mark.parametrize("which", ["PORT", "SANDBOX_PORT"])
def test_taken_port_is_named(fresh: DemoProcess, which: str) -> None:
    port = fresh.port if which == "PORT" else fresh.sandbox_port
    with socket.create_server(("127.0.0.1", port)):
        said, _ = fresh.spawn().communicate(timeout=STOP_SECONDS)
    assert fresh.process is not None and fresh.process.returncode == 1
    assert f"port {port}" in said
    assert f"{which}=" in said
    assert "Traceback" not in said
    assert not fresh.data.exists()


def test_dead_server_ends_the_demo_and_is_named(fresh: DemoProcess) -> None:
    fresh.start()
    victim, *others = (c for c in children(fresh) if "sandbox" in c.cmdline())
    assert others == []
    os.kill(victim.pid, signal.SIGKILL)
    assert fresh.process is not None
    said, _ = fresh.process.communicate(timeout=STOP_SECONDS)
    assert fresh.process.returncode == 1
    assert "the sandbox ended with status -9" in said
    assert not listening(fresh.port)


def test_the_first_command_that_fails_is_named_and_is_the_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "false")  # the group sets it, for good
    monkeypatch.setattr(prepare, "COMMANDS", ("--version", "no-such-command", "--version"))
    with pytest.raises(SystemExit, match="`flask no-such-command` failed"):
        prepare.main()
    assert capsys.readouterr().out.count("Werkzeug") == 1
