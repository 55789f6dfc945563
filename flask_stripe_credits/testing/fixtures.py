"""The fixtures of the pytest plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from .stripe_sandbox import StripeSandbox


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> None:
    """Have the sandbox there before pytest-flask's server, which copies the app as it is."""
    if fixturedef.argname != "live_server" or "stripe_sandbox" not in request.fixturenames:
        return
    if fixturedef.scope != "function":
        raise pytest.UsageError(
            "live_server outlives stripe_sandbox and wouldn't know it: set `live_server_scope = "
            "function` in pytest's configuration"
        )
    request.getfixturevalue("stripe_sandbox")


@pytest.fixture
def stripe_sandbox(request: pytest.FixtureRequest) -> Iterator[StripeSandbox]:
    """Stripe for the app of the fixture ``app``, in this process and without a socket.

    With pytest-flask's ``live_server``, whose app is in another process, on a loopback port.
    """
    from .stripe_sandbox import StripeSandbox

    served = "live_server" in request.fixturenames
    try:
        app = request.getfixturevalue("app")
    except pytest.FixtureLookupError:
        raise pytest.UsageError(
            "stripe_sandbox needs a fixture `app` that returns your Flask app, as pytest-flask "
            "does; or make it yourself: with StripeSandbox(app) as stripe_sandbox: …"
        ) from None
    with StripeSandbox(app, serve=served) as sandbox:
        yield sandbox


@pytest.fixture
def signed_webhook(stripe_sandbox: StripeSandbox) -> Callable[[Any], TestResponse]:
    """A function that delivers one event, signed, to the app's webhook; returns the answer."""
    return stripe_sandbox.signed_webhook
