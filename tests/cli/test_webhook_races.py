"""Two operators, or a deployment of several machines, make the endpoint at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from flask_stripe_credits.cli.webhook import create, rotate
from flask_stripe_credits.cli.webhook.env_file import EnvFile
from flask_stripe_credits.cli.webhook.target import aimed
from flask_stripe_credits.errors import GatewayRejected
from flask_stripe_credits.webhook_endpoints import find, upkeep

from ..parallel import in_parallel
from .operators import Operator

RUNS = 4


@pytest.fixture(autouse=True)
def really_later(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SECONDS_UNTIL_LATER", 1.1)


def run_at_once(
    operator: Operator, folder: Path, command: Callable[[EnvFile], None]
) -> list[tuple[bool, list[str]]]:
    """Run ``command`` in several threads; return whether each was content, and its first secret."""

    def run(number: int) -> tuple[bool, list[str]]:
        file = EnvFile(folder / f"{number}.env")
        with operator.host.app.app_context():
            try:
                command(file)
            except (SystemExit, click.ClickException):
                content = False
            else:
                content = True
        secrets = EnvFile(file.path).secrets if file.path.exists() else []
        return content, [secret.reveal() for secret in secrets[:1]]

    return in_parallel([lambda number=number: run(number) for number in range(RUNS)])  # type: ignore[misc]


def test_creates_at_once_leave_one_endpoint_and_hand_one_secret_over(
    operator: Operator, tmp_path: Path
) -> None:
    def make(file: EnvFile) -> None:
        state, wanted = aimed(operator.url, live=False)
        # All have asked before one of them made it.
        create._make(state, wanted, file, "cli")

    results = run_at_once(operator, tmp_path, make)
    (endpoint,) = operator.endpoints
    assert endpoint.secret_fingerprint is not None
    assert sorted(results, reverse=True) == [
        (True, [operator.secret_of(endpoint)]),
        *[(False, [])] * (RUNS - 1),
    ]
    assert operator.acts() == ["created"]


def test_rotations_at_once_leave_one_new_endpoint(operator: Operator, tmp_path: Path) -> None:
    operator.written("create")
    (old,) = operator.endpoints
    with operator.host.app.app_context():
        state, wanted = aimed(operator.url, live=False)
        found = find(state, wanted)

    def begin(file: EnvFile) -> None:
        rotate._begin(state, found, wanted, file, "cli", again=False)

    results = run_at_once(operator, tmp_path, begin)
    new = next(one for one in operator.endpoints if one.id != old.id)
    assert len(operator.endpoints) == 2
    assert sorted(results, reverse=True) == [
        (True, [operator.secret_of(new)]),
        *[(False, [])] * (RUNS - 1),
    ]


def test_no_secret_is_handed_over_of_an_endpoint_that_another_run_deleted(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one listed before this one's was made, and took it for a dead run's."""
    operator.written("create")
    (old,) = operator.endpoints
    file = EnvFile(tmp_path / "new.env")

    def another_run(seconds: float) -> None:
        new = next(one for one in operator.endpoints if one.id != old.id)
        upkeep.remove(state, new)

    with operator.host.app.app_context():
        state, wanted = aimed(operator.url, live=False)
        monkeypatch.setattr(upkeep.time, "sleep", another_run)
        with pytest.raises(GatewayRejected, match="nothing was handed over"):
            rotate._begin(state, find(state, wanted), wanted, file, "cli", again=False)
    assert not file.path.exists()
    assert [one.id for one in operator.endpoints] == [old.id]
