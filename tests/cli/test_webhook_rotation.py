from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_stripe_credits.cli.webhook import create
from flask_stripe_credits.cli.webhook.env_file import EnvFile
from flask_stripe_credits.sandbox import Sandbox
from flask_stripe_credits.webhooks.handlers import HANDLERS

from ..hosts import PREFIX, make_host
from ..serving import serving
from .operators import NAME, Operator


class RunningApp:
    """The app behind the operator's address, restarted whenever a test says so."""

    def __init__(self, operator: Operator, database_url: str | None = None) -> None:
        self.operator = operator
        self.database_url = database_url
        self.restart()

    def restart(self) -> None:
        """Start with the secrets that the file holds now, as every command does afterwards."""
        secrets = self.operator.secrets if self.operator.file.exists() else []
        config: dict[str, Any] = {NAME: ",".join(secrets)} if secrets else {}
        self.operator.host = make_host(
            self.database_url or self.operator.host.db_url,
            tables=False,
            STRIPE_CREDITS_API_BASE=self.operator.stripe.url,
            **config,
        )

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.operator.host.app(environ, start_response)


@pytest.fixture
def running(operator: Operator) -> Iterator[RunningApp]:
    served = RunningApp(operator)
    with serving(served) as url:
        operator.url = f"{url}{PREFIX}/webhook"
        yield served
        for endpoint in operator.endpoints:
            operator.host.state.gateway.delete_webhook_endpoint(endpoint.id)


def assert_heard(operator: Operator) -> None:
    """Some endpoint sends events that the app, if it reads the file, accepts."""
    assert any(operator.secret_of(one) in operator.secrets for one in operator.endpoints)


def assert_rotating(operator: Operator) -> None:
    new, old = operator.endpoints
    assert operator.secrets[0] == operator.secret_of(new)
    assert operator.secret_of(old) in operator.secrets
    assert new.secret_fingerprint is not None


def assert_rotated(operator: Operator, old_secret: str) -> None:
    (only,) = operator.endpoints
    assert operator.secrets[0] == operator.secret_of(only) != old_secret
    assert old_secret not in operator.secrets


def test_E12_a_rotation_in_two_steps(operator: Operator, running: RunningApp) -> None:
    operator.written("create")
    running.restart()
    (old_secret,) = operator.secrets
    begun = operator.written("rotate")
    assert begun.exit_code == 0, begun.stderr
    assert_rotating(operator)
    assert "rotate --finish" in begun.stderr
    new, old = operator.endpoints
    assert (new.enabled_events, new.api_version) == (old.enabled_events, old.api_version)
    assert f"old endpoint {old.id} and its secret stay valid" in begun.stderr

    too_early = operator.written("rotate", "--finish")
    assert too_early.exit_code == 1
    assert "doesn't accept the new secret" in too_early.stderr
    assert_rotating(operator)

    running.restart()
    assert operator.run("test").exit_code == 0
    done = operator.written("rotate", "--finish")
    assert done.exit_code == 0, done.stderr
    assert_rotated(operator, old_secret)
    assert "nothing to finish" in operator.written("rotate", "--finish").stderr
    running.restart()
    assert operator.run("test").exit_code == 0


def test_E12_without_a_file_the_new_secret_is_printed(
    operator: Operator, running: RunningApp
) -> None:
    operator.run("create")
    (old,) = operator.endpoints
    begun = operator.run("rotate")
    assert begun.stdout.strip() == operator.secret_of(operator.endpoints[0])
    assert "NEW,OLD" in begun.stderr
    refused = operator.run("rotate", "--finish")
    assert refused.exit_code == 1
    assert "doesn't hold the secret" in refused.stderr
    assert len(operator.endpoints) == 2
    assert operator.run("rotate", "--finish", "--yes").exit_code == 0
    assert old.id not in {one.id for one in operator.endpoints}


@pytest.mark.parametrize("events", [[*HANDLERS, "invoice.paid"], ["*"]])
def test_what_a_host_listens_to_besides_is_kept(operator: Operator, events: list[str]) -> None:
    operator.written("create")
    (made,) = operator.endpoints
    operator.host.state.gateway.update_webhook_endpoint(made.id, {"enabled_events": events})
    operator.written("rotate")
    assert sorted(operator.endpoints[0].enabled_events) == sorted(events)


def test_a_rotation_under_way_is_told_and_a_lost_secret_made_again(operator: Operator) -> None:
    operator.written("create")
    operator.written("rotate")
    first, old = operator.endpoints
    told = operator.written("rotate")
    assert told.exit_code == 0
    assert "--again" in told.stderr
    assert [one.id for one in operator.endpoints] == [first.id, old.id]
    again = operator.written("rotate", "--again")
    assert again.exit_code == 0, again.stderr
    second, still = operator.endpoints
    assert (still.id, second.id != first.id) == (old.id, True)
    assert_rotating(operator)


def test_nothing_to_rotate_and_nothing_to_guess(operator: Operator) -> None:
    assert "webhook create" in operator.written("rotate").stderr
    assert operator.run("rotate", "--finish", "--again").exit_code == 2
    for number in range(2):
        params = {"url": operator.url, "enabled_events": ["*"]}
        operator.host.state.gateway.create_webhook_endpoint(
            params, idempotency_key=f"{operator.url}{number}"
        )
    for options in ([], ["--finish"]):
        refused = operator.written("rotate", *options)
        assert refused.exit_code == 1
        assert "webhook delete ENDPOINT" in refused.stderr
    assert len(operator.endpoints) == 2


# Killed at any step.


class Killed(BaseException):
    """Nothing of the command runs after it."""


class Fuse:
    """Ends a command at a step: before or after each thing that is done outside the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._left = 0
        self.burnt: list[str] = []

    def end_at(self, operator: Operator, step: int) -> None:
        self._left, self.burnt = step, []
        gateway = operator.host.state.gateway
        for call in ("list", "create", "update", "delete"):
            name = f"{call}_webhook_endpoint{'s' if call == 'list' else ''}"
            self._around(gateway, name, getattr(type(gateway), name).__get__(gateway))
        self._around(EnvFile, "write", _WRITE)
        self._around(create, "audit", _AUDIT)

    def spare(self) -> None:
        self._left = 0

    def _around(self, owner: Any, name: str, call: Callable[..., Any]) -> None:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self._burn(f"before {name}")
            result = call(*args, **kwargs)
            self._burn(f"after {name}")
            return result

        self._patch.setattr(owner, name, wrapper)

    def _burn(self, step: str) -> None:
        self.burnt.append(step)
        self._left -= 1
        if self._left == 0:
            raise Killed(step)


_WRITE = EnvFile.write
_AUDIT = create.audit


def killed_at(operator: Operator, fuse: Fuse, step: int, *command: str) -> bool:
    """Run a command that ends at a step; return whether it came that far."""
    fuse.end_at(operator, step)
    try:
        result = operator.written(*command)
    except Killed:
        return True
    finally:
        fuse.spare()
    assert result.exit_code == 0, result.stderr
    return False


def test_E12_create_killed_at_any_step_says_what_to_do(
    operator: Operator, running: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    fuse, step = Fuse(monkeypatch), 1
    while killed_at(operator, fuse, step, "create"):
        made = bool(operator.endpoints)
        again = operator.written("create")
        if not made:
            assert again.exit_code == 0, (fuse.burnt, again.stderr)
        elif again.exit_code:
            assert "flask credits webhook rotate" in again.stderr, fuse.burnt
            assert operator.written("rotate").exit_code == 0
            running.restart()
            assert operator.written("rotate", "--finish").exit_code == 0
        assert_heard(operator)
        assert len(operator.endpoints) == 1
        for endpoint in operator.endpoints:
            operator.host.state.gateway.delete_webhook_endpoint(endpoint.id)
        operator.file.unlink(missing_ok=True)
        running.restart()
        step += 1
    assert step > 8, fuse.burnt


def test_E12_a_rotation_killed_at_any_step_is_finished_by_the_next(
    operator: Operator, running: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.written("create")
    running.restart()
    fuse, step = Fuse(monkeypatch), 1
    going = True
    while going:
        old_secret = operator.secrets[0]
        going = killed_at(operator, fuse, step, "rotate")
        assert_heard(operator)
        assert operator.written("rotate").exit_code == 0, fuse.burnt
        assert_rotating(operator)
        running.restart()
        going = killed_at(operator, fuse, step, "rotate", "--finish") or going
        assert_heard(operator)
        done = operator.written("rotate", "--finish")
        assert done.exit_code == 0, (fuse.burnt, done.stderr)
        assert_rotated(operator, old_secret)
        running.restart()
        step += 1
    assert step > 8, fuse.burnt


def test_E12_a_process_killed_before_it_wrote_the_secret(operator: Operator) -> None:
    """A real process and a real SIGKILL, after Stripe's answer."""
    program = f"""
import os, signal
from flask_stripe_credits.cli.webhook import handing_over
from tests.hosts import make_host
handing_over.EnvFile.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
host = make_host("sqlite://", tables=False, STRIPE_CREDITS_API_BASE={operator.stripe.url!r})
args = ["webhook", "create", "--url", {operator.url!r}, "--write-env", {str(operator.file)!r}]
host.app.test_cli_runner().invoke(args=["credits", *args])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    (made,) = operator.endpoints
    assert os.listdir(operator.file.parent) == []
    again = operator.written("create")
    assert again.exit_code == 1
    assert f"{made.id} has this address already" in again.stderr
    assert "ended before its secret was handed over" in again.stderr
    assert "flask credits webhook rotate" in again.stderr
    assert operator.written("rotate").exit_code == 0
    assert operator.secrets[0] == operator.secret_of(operator.endpoints[0])
    assert operator.secrets[1] == operator.host.webhook_secret, "configured elsewhere, still valid"


# Money while two endpoints are there.


def test_E12_A01_events_that_come_twice_move_credits_once(
    database_url: str, operator: Operator
) -> None:
    make_host(database_url).load_packages()
    with Sandbox().start(deliver=False) as stripe:
        operator.stripe = stripe
        running = RunningApp(operator, database_url)
        with serving(running) as url:
            operator.url = f"{url}{PREFIX}/webhook"
            for command in ("create", "rotate"):
                assert operator.written(command).exit_code == 0
                running.restart()
            assert len(operator.secrets) == 2

            def buy() -> str:
                answer = operator.host.client.post(
                    f"{PREFIX}/purchase", json={"package_code": "starter"}
                )
                session_id = str(answer.get_json()["session_id"])
                stripe.pay(session_id)
                stripe.deliver_pending()
                return session_id

            first = buy()
            payment = stripe.session(first)["payment_intent"]
            stripe.refund(payment, amount=400)
            stripe.deliver_pending()
            handled = [one for one in stripe.deliveries() if one.state == "delivered"]
            counts = Counter(one.event for one in handled)
            assert len(counts) == 3
            assert set(counts.values()) == {2}, "each event came from both endpoints"
            assert all(one.attempts[-1].status == 200 for one in handled)
            assert operator.host.ledger() == [1000, -400]
            operator.host.assert_exact()

            assert operator.written("rotate", "--finish").exit_code == 0
            running.restart()
            buy()
            assert operator.host.ledger() == [1000, -400, 1000]
            operator.host.assert_exact()
