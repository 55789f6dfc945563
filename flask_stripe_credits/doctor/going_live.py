"""What doesn't matter on a laptop and does with real money."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version

from ..gateway import api_version
from .database import place_of
from .findings import Finding, error, ok, warning
from .patient import Patient

# As in pyproject.toml.
OLDEST_STRIPE, NEXT_STRIPE = (15, 6), (17, 0)


def versions(patient: Patient) -> Iterator[Finding]:
    """Does the installed library of Stripe's suit us?"""
    ours, stripe = version("flask-stripe-credits"), version("stripe")
    told = f"flask-stripe-credits {ours}, Python {platform.python_version()}, stripe {stripe}"
    major, minor = (int(part) for part in stripe.split(".")[:2])
    if not OLDEST_STRIPE <= (major, minor) < NEXT_STRIPE:
        yield error(f"{told}: not a version that we know", command='pip install "stripe>=15.6,<17"')
    else:
        yield ok(f"{told}, which speaks API version {api_version()}")


def live_mode(patient: Patient) -> Iterator[Finding]:
    """Is this a place for real money?"""
    if not patient.livemode:
        known = patient.state.settings.livemode is not None
        yield ok("a test key: no real money moves" if known else "no key: no money moves")
        return
    found = list(_not_for_money(patient))
    yield from found
    if not found:
        yield ok("real money, and nothing that is only for laptops")


def _not_for_money(patient: Patient) -> Iterator[Finding]:
    if patient.app.debug:
        yield error(
            "debug mode is on: its debugger lets visitors run code", "start without --debug"
        )
    if patient.app.testing:
        yield warning("TESTING is set: errors are raised instead of answered", "take it out")
    url = patient.state.db.engine.url
    if url.get_backend_name() == "sqlite":
        yield warning(
            f"{place_of(url)}: one purchase is recorded at a time, one disk holds all of it",
            "use PostgreSQL for more than a few purchases a minute",
        )
