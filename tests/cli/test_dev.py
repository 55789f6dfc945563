"""``flask credits dev``: the app beside a sandbox, from the first start to the last process."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.ports import free_port

from ..payloads import new_api_key, new_secret
from .dev_process import READY, SECONDS, Dev, Running, listening


@pytest.fixture
def dev(tmp_path: Path) -> Dev:
    return Dev(tmp_path)


def stop_whole(dev: Dev, running: Running, number: int) -> None:
    started = running.descendants()
    assert started
    code, said = running.stop(number)
    assert code == 0, said
    assert said.endswith("Stopped.\n")
    assert [process for process in started if process.is_running()] == []
    assert not listening(dev.port) and not listening(dev.sandbox_port)


def test_one_command_sells_and_the_next_one_remembers_on_another_port(dev: Dev) -> None:
    # As where somebody works with an account: none of it may be used.
    dev.environment |= {
        "STRIPE_API_KEY": new_api_key(),
        "STRIPE_WEBHOOK_SECRET": new_secret(),
        "STRIPE_CREDITS_BASE_URL": "https://shop.example.com",
    }
    with dev.running() as running:
        running.until(READY)
        for told in (dev.url, f"{dev.url}/credits", f"{dev.sandbox_url}/dashboard", "4242 4242"):
            assert told in running.said
        assert "$ flask credits packages load" in running.said
        assert "nothing is wrong" in running.said
        keys = made_up_keys(running)
        purchase_id = dev.buy()
        dev.wait_for_ledger([1_000])
        stop_whole(dev, running, signal.SIGINT)
        assert not any(key in running.said for key in keys)
    state = dev.folder / "instance" / "stripe-sandbox.db"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600

    dev.port, dev.sandbox_port = free_port(), free_port()
    with dev.running() as running:
        running.until(READY)
        assert "packages load" not in running.said
        assert running.said.count(": in sync") == 4
        assert made_up_keys(running).isdisjoint(keys)
        dev.refund(purchase_id)
        running.until(r"refund.*: 200")
        dev.wait_for_ledger([1_000, -1_000])
        stop_whole(dev, running, signal.SIGTERM)
        assert "refused" not in running.said
    stored = (dev.folder / "instance" / "shop.db").read_bytes()
    assert not any(key.encode() in stored for key in keys)


def made_up_keys(running: Running) -> set[str]:
    """The keys that the app's process has."""
    (app,) = running.descendants()
    environment = app.environ()
    assert environment["STRIPE_API_KEY"] == environment["STRIPE_WEBHOOK_SECRET"] == ""
    return {environment["STRIPE_SECRET_KEY"], environment["STRIPE_WEBHOOK_SECRET_CREDITS"]}


def test_told_to_stop_while_it_sets_up_it_stops(dev: Dev) -> None:
    with dev.running() as running:
        running.until("flask credits")
        stop_whole(dev, running, signal.SIGINT)


def test_killed_anywhere_it_can_be_run_again_and_the_reloader_ends_with_it(dev: Dev) -> None:
    with dev.running() as running:
        running.until("sync --apply")
        started = running.descendants()
        running.stop(signal.SIGKILL)
        for process in started:
            process.wait(SECONDS)
    with dev.running("--debug") as running:
        running.until(READY)
        assert "Debug mode: on" in running.said
        assert len(running.descendants()) == 2
        dev.buy()
        dev.wait_for_ledger([1_000])
        stop_whole(dev, running, signal.SIGHUP)


@pytest.mark.parametrize("where", ["environment", "config"])
def test_a_live_key_is_refused(dev: Dev, where: str) -> None:
    prefix = {"environment": "", "config": "FLASK_"}[where]
    dev.environment[f"{prefix}STRIPE_SECRET_KEY"] = new_api_key("live")
    assert "is a live key" in dev.refused()
    assert not (dev.folder / "instance" / "stripe-sandbox.db").exists()


def test_a_key_in_the_apps_own_configuration_is_named(dev: Dev) -> None:
    dev.environment["FLASK_STRIPE_WEBHOOK_SECRET_CREDITS"] = new_secret()
    said = dev.refused()
    assert "app.config sets STRIPE_WEBHOOK_SECRET_CREDITS itself" in said
    assert "the app isn't started" in said


@pytest.mark.parametrize("which", ["--port", "--sandbox-port"])
def test_a_taken_port_is_named(dev: Dev, which: str) -> None:
    port = dev.port if which == "--port" else dev.sandbox_port
    with socket.create_server(("127.0.0.1", port)):
        code, said = dev.spawn().end()
    assert code == 1
    assert f"port {port} can't be used" in said
    assert f"{which} {port + 10}" in said
    assert not (dev.folder / "instance" / "stripe-sandbox.db").exists()


def test_a_second_one_is_refused_and_an_app_that_ends_ends_the_first(
    dev: Dev, tmp_path: Path
) -> None:
    with dev.running() as running:
        running.until(READY)
        assert "stripe-sandbox.db" in Dev(tmp_path).refused()
        (app,) = running.descendants()
        os.kill(app.pid, signal.SIGKILL)
        code, said = running.end()
    assert code == 1
    assert "the app ended with status -9" in said
    assert not listening(dev.sandbox_port)


def test_what_keeps_credits_from_coming_is_said_at_once(dev: Dev) -> None:
    app = dev.folder / "app.py"
    app.write_text(
        app.read_text().replace(
            "    db.init_app(app)",
            "    app.before_request(lambda: ('closed', 403))\n    db.init_app(app)",
        )
    )
    with dev.running() as running:
        running.until("The app's webhook doesn't work")
