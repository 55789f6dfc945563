"""Compare Stripe's checkout sessions with our purchases, and our purchases with its sessions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from ..facts import (
    Reversals,
    Row,
    SessionNews,
    news_of,
    record_session,
    record_unopened,
)
from ..stripe_objects import CheckoutSession
from . import known as what_we_know
from .comparison import (
    NOTHING,
    compare_session,
    missing_session,
    orphan,
    stranger,
    sum_of,
    unopened,
)
from .findings import Finding, Kind
from .known import Known
from .listing import pages, patiently
from .reversals import Elsewhere, record_elsewhere
from .run import Run
from .walk import CLOCKS_DIFFER_BY, Walk

# A session lives for a day at most, so whoever opens one now opens a new one.
UNOPENED_FOR = dt.timedelta(hours=25)


def compare_sessions(run: Run, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Yield how Stripe's sessions and our purchases differ, having recorded it if told to.

    :param elsewhere: what went back of payments that no purchase of ours is known for yet.
    """
    state, since = run.state, run.since
    unopened = what_we_know.oldest_unopened(state)
    if unopened is not None:
        # Only the whole list since then tells that no session of it exists.
        since = min(since, unopened - CLOCKS_DIFFER_BY)
    walk = Walk(what_we_know.newest_first(state, since=run.since, until=run.now))
    gateway = state.gateway
    for page in pages(lambda after: gateway.page_checkout_sessions(since=since, after=after)):
        run.totals.compared["sessions"] += len(page)
        yield from _compare_page(run, page, walk, elsewhere)
        reached = page[-1].created if page else None
        if reached is not None:
            yield from _compare_unseen(run, walk.unseen(reached), elsewhere)
            read = f"{run.totals.compared['sessions']:,} checkout sessions compared"
            run.progress(f"{read}, back to {reached:%Y-%m-%d %H:%M}")
    yield from _compare_unseen(run, walk.unseen(None), elsewhere)


def _compare_page(
    run: Run, page: Sequence[CheckoutSession], walk: Walk, elsewhere: Elsewhere
) -> Iterator[Finding]:
    livemode = run.state.settings.require_livemode()
    payments = [one for one in page if one.mode == "payment" and one.livemode == livemode]
    batch = what_we_know.purchases_of_sessions(run.state, payments)
    for session in payments:
        marked = session.site == run.state.settings.site and session.purchase_id is not None
        if not marked and session.id not in batch.by_session:
            continue
        run.totals.compared["sessions of this site"] += 1
        known = batch.of(session)
        if known is None:
            yield from _orphan(run, session, elsewhere)
        elif known.row["stripe_checkout_session_id"] in (None, session.id):
            walk.saw(known.row)
            yield from _compare(run, known, session, elsewhere)
        else:
            yield from _stranger(run, known, session, elsewhere)


def _compare_unseen(run: Run, rows: Iterator[Row], elsewhere: Elsewhere) -> Iterator[Finding]:
    for row in rows:
        run.totals.compared["purchases asked about"] += 1
        known = what_we_know.purchase(run.state, row["id"])
        if known is None:
            continue
        session_id = known.row["stripe_checkout_session_id"]
        if session_id is None:
            yield from _unopened(run, known)
            continue
        session = patiently(partial(run.state.gateway.find_checkout_session, session_id))
        if session is None:
            yield missing_session(known)
            continue
        batch = what_we_know.purchases_of_sessions(run.state, [session])
        yield from _compare(run, batch.of(session) or known, session, elsewhere)


def _compare(
    run: Run, known: Known, session: CheckoutSession, elsewhere: Elsewhere
) -> Iterator[Finding]:
    news = _news(run, known, session)
    finding = compare_session(run.judge, known, session, news)
    if finding is None:
        return
    if finding.kind is Kind.BREACH:
        # The list may be older than what we know: ask again, after having read.
        now = patiently(partial(run.state.gateway.find_checkout_session, session.id))
        gone = missing_session(known) if now is None else None
        confirmed = gone or compare_session(run.judge, known, cast(CheckoutSession, now), news)
        if confirmed is not None and confirmed.kind is Kind.BREACH:
            yield confirmed
        return
    if finding.kind is Kind.REVIEW:
        yield finding
        return
    reversals = _beside(run, known, session, elsewhere)
    finding = compare_session(run.judge, known, session, news, reversals) or finding
    yield _repair(run, finding, session, news, elsewhere) if run.apply else finding


def _news(run: Run, known: Known, session: CheckoutSession) -> SessionNews | None:
    """What the session is about. That a payment failed after days only its payment tells."""
    news, payment = news_of(session), session.payment_intent_id
    if news is not SessionNews.COMPLETED or session.is_paid or payment is None:
        return news
    if known.row["failed_at"] is None and patiently(
        partial(run.state.gateway.has_payment_failed, payment)
    ):
        return SessionNews.FAILED
    return news


def _beside(run: Run, known: Known, session: CheckoutSession, elsewhere: Elsewhere) -> Reversals:
    """What went back of the session's payment, as long as it isn't known to be the purchase's."""
    payment, currency = session.payment_intent_id, known.row["currency"]
    if payment is None or known.row["stripe_payment_intent_id"] is not None:
        return NOTHING
    told = elsewhere.get(payment, [])
    kept = what_we_know.kept(run.state, payment, currency, [one.id for one in told])
    new = sum_of(told, currency)
    return Reversals(kept.refunded + new.refunded, kept.disputed + new.disputed)


def _repair(
    run: Run,
    finding: Finding,
    session: CheckoutSession,
    news: SessionNews | None,
    elsewhere: Elsewhere,
) -> Finding:
    if news is None:
        return finding
    # First, so that nothing is granted that would be taken back at once.
    error = record_elsewhere(run, elsewhere.pop(session.payment_intent_id or "", []))
    error = error or run.record(lambda uow: record_session(uow, session, news))
    if error is not None:
        return replace(finding, error=error)
    known = what_we_know.purchases_of_sessions(run.state, [session]).of(session)
    left = None if known is None else compare_session(run.judge, known, session, news)
    if left is None or finding.kind is Kind.CONTRADICTION:
        return replace(finding, repaired=True)
    if left.needs_somebody:
        # A receiver refused it, or somebody else was faster.
        return left
    return replace(left, error="it was recorded, but still differs")


def _unopened(run: Run, known: Known) -> Iterator[Finding]:
    if known.row["created_at"] > run.now - UNOPENED_FOR:
        return
    finding = unopened(known)
    if run.apply:
        error = run.record(lambda uow: record_unopened(uow, known.row["id"]))
        finding = replace(finding, repaired=error is None, error=error)
    yield finding


def _orphan(run: Run, session: CheckoutSession, elsewhere: Elsewhere) -> Iterator[Finding]:
    if session.status == "complete" and session.is_paid and not _given_back(session, elsewhere):
        yield from _noted(run, orphan(session), session)


def _stranger(
    run: Run, known: Known, session: CheckoutSession, elsewhere: Elsewhere
) -> Iterator[Finding]:
    if session.status == "complete" and not _given_back(session, elsewhere):
        yield from _noted(run, stranger(known, session), session)


def _noted(run: Run, finding: Finding, session: CheckoutSession) -> Iterator[Finding]:
    record = partial(record_session, session=session, news=SessionNews.COMPLETED)
    left = run.note(finding, record, "checkout.session.completed")
    if left is not None:
        yield left


def _given_back(session: CheckoutSession, elsewhere: Elsewhere) -> bool:
    """Whether all of it was refunded, so that nobody has to do anything."""
    told = elsewhere.get(session.payment_intent_id or "", [])
    refunded = sum_of(told, session.currency or "").refunded
    return 0 < (session.amount_total or 0) <= refunded
