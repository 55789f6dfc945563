"""Who may act on other people's purchases: whoever the host says, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import Unauthorized

from flask_stripe_credits.errors import ConfigurationError
from flask_stripe_credits.web.administrators import NotAdministrator, require_administrator

from ..hosts import Host, make_host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return make_host(f"sqlite:///{tmp_path / 'x.sqlite'}", tables=False)


def ask(host: Host) -> str:
    with host.app.test_request_context():
        return require_administrator(host.state)


def test_nobody_is_an_administrator_by_default(host: Host) -> None:
    with pytest.raises(NotAdministrator):
        ask(host)


def test_the_actor_is_the_id_of_the_signed_in_user(host: Host) -> None:
    host.credits.admin_check(lambda: host.user == 7)
    host.user = 7
    assert ask(host) == "7"
    host.user = 8
    with pytest.raises(NotAdministrator):
        ask(host)


def test_who_is_not_signed_in_is_not_even_asked_about(host: Host) -> None:
    asked = []

    @host.credits.admin_check
    def check() -> bool:
        asked.append(True)
        return True

    host.user = None
    with pytest.raises(Unauthorized):
        ask(host)
    assert asked == []
    host.user = "alice"
    assert ask(host) == "alice"
    assert asked == [True]


@pytest.mark.parametrize("answer", [False, None, 0, 1, "no", "yes", [], object(), ...])
def test_anything_but_true_is_a_no(
    host: Host, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host.credits.admin_check(lambda: answer)
    with pytest.raises(NotAdministrator):
        ask(host)
    # A yes of another kind is a mistake of the host's, which somebody has to hear of.
    assert ("only True makes an administrator" in caplog.text) is bool(answer)


def test_a_check_that_raises_lets_nobody_in(host: Host) -> None:
    @host.credits.admin_check
    def check() -> bool:
        raise LookupError("the directory is down")

    with pytest.raises(LookupError):
        ask(host)


def test_a_coroutine_function_is_refused(host: Host) -> None:
    async def check() -> bool:
        return False

    function: Callable[[], Any] = check
    with pytest.raises(ConfigurationError, match=r"admin_check .*check must be an ordinary"):
        host.credits.admin_check(function)


def test_the_check_is_returned_so_that_it_works_as_a_decorator(host: Host) -> None:
    @host.credits.admin_check
    def check() -> bool:
        return True

    assert check() is True
