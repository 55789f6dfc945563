"""Compare Stripe with us, object by object, and record what we missed.

Events get lost and some are never sent; objects stay. Whatever differs is repaired on the one
path that everything takes: record the fact, then fulfill. So a run may be repeated, killed half
way, and race with webhooks and other runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from .findings import Finding as Finding
from .findings import Kind as Kind
from .findings import Totals as Totals
from .known import check_database
from .reversals import Elsewhere, compare_reversals
from .run import Run as Run
from .sessions import compare_sessions


def reconcile(run: Run) -> Iterator[Finding]:
    """Yield what differs between Stripe and us; with ``run.apply`` it is recorded and fulfilled.

    Reads every session, refund and dispute since ``run.since``, and asks about every purchase
    that isn't settled whatever its age. Commits after each purchase; Stripe is never called
    inside a transaction. In memory there is a page of each list, and the refunds and disputes
    of payments that aren't ours.

    :raises GatewayError: Stripe can't be asked. What was recorded stays: run it again.
    :raises NotConfigured: there is no usable API key.
    :raises TablesOutOfDate, DatabaseBusy: the database can't be read; Stripe isn't asked then.
    """
    check_database(run.state)
    elsewhere: Elsewhere = {}
    # Refunds first: a session that was missed is then recorded together with what went back.
    for findings in (compare_reversals(run, elsewhere), compare_sessions(run, elsewhere)):
        for finding in findings:
            run.totals.add(finding)
            yield finding
