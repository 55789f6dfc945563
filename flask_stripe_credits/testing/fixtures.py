"""The fixtures of the pytest plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from .stripe_sandbox import StripeSandbox


@pytest.fixture
def stripe_sandbox(request: pytest.FixtureRequest) -> Iterator[StripeSandbox]:
    """Stripe for the app of the fixture ``app``, in this process and without a socket."""
    from .stripe_sandbox import StripeSandbox

    try:
        app = request.getfixturevalue("app")
    except pytest.FixtureLookupError:
        raise pytest.UsageError(
            "stripe_sandbox needs a fixture `app` that returns your Flask app, as pytest-flask "
            "does; or make it yourself: with StripeSandbox(app) as stripe_sandbox: …"
        ) from None
    with StripeSandbox(app) as sandbox:
        yield sandbox


@pytest.fixture
def signed_webhook(stripe_sandbox: StripeSandbox) -> Callable[[Any], TestResponse]:
    """A function that delivers one event, signed, to the app's webhook; returns the answer."""
    return stripe_sandbox.signed_webhook
