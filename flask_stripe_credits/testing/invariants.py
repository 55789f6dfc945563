"""Every credit in an app's database is explained by a payment, or a test fails."""

from __future__ import annotations

import contextlib
import itertools

from flask import Flask, current_app, has_app_context

from ..audit import Audit
from ..state import state_of

MOST_LISTED = 20


def assert_invariants(app: Flask) -> None:
    """Check that every credit in the database of ``app`` is explained by a payment.

    The same checks as ``flask credits audit``, of what is committed (or, where a test wraps
    everything in one transaction on ``db.session``'s connection, of what is in it). Writes
    nothing, doesn't talk to Stripe. Call it at the end of a test, inside an application context
    or outside.

    :raises AssertionError: with up to twenty breaches, one a line.
    :raises DatabaseBusy, TablesOutOfDate: when the database can't be read.
    """
    within = has_app_context() and current_app == app
    with contextlib.nullcontext() if within else app.app_context():
        audit = Audit(state_of(app))
        found = list(itertools.islice(audit.breaches(), MOST_LISTED + 1))
    if found:
        listed = "\n".join(str(breach) for breach in found[:MOST_LISTED])
        more = "\n…" if len(found) > MOST_LISTED else ""
        raise AssertionError(f"broken invariants:\n{listed}{more}")
