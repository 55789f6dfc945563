"""Compare Stripe's refunds and disputes with those that we have recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..facts import record_dispute, record_refunds
from ..gateway import Gateway, Page
from ..stripe_objects import Dispute, Refund
from . import known as what_we_know
from .comparison import compare_disputes, compare_refunds
from .findings import Finding, Kind
from .known import KnownReversal
from .listing import pages
from .run import Record, Run

Told = Refund | Dispute
# What went back of payments that no purchase of ours is known for, by payment intent.
Elsewhere = dict[str, list[Told]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What refunds and disputes differ in."""

    name: str
    event_type: str
    page: Callable[..., Page[Any]]
    page_of: Callable[..., Page[Any]]
    known: Callable[..., dict[str, KnownReversal]]
    compare: Callable[..., Iterator[Finding]]


_KINDS = (
    _Kind(
        "refunds",
        "refund.updated",
        Gateway.page_refunds,
        Gateway.page_refunds_of,
        what_we_know.refunds,
        compare_refunds,
    ),
    _Kind(
        "disputes",
        "charge.dispute.updated",
        Gateway.page_disputes,
        Gateway.page_disputes_of,
        what_we_know.disputes,
        compare_disputes,
    ),
)


def compare_reversals(run: Run, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Yield how Stripe's refunds and disputes differ from ours, having recorded them if told to.

    :param elsewhere: gets those of payments that no purchase of ours is known for yet.
    """
    for kind in _KINDS:
        for page in _pages(run, kind):
            run.totals.compared[kind.name] += len(page)
            yield from _compare_page(run, kind, page, elsewhere)
            run.progress(f"{run.totals.compared[kind.name]:,} {kind.name} compared")


def _pages(run: Run, kind: _Kind) -> Iterator[list[Told]]:
    gateway = run.state.gateway
    yield from pages(lambda after: kind.page(gateway, since=run.since, after=after))
    # Money may come back months later; what we take for open is asked for whatever its age.
    for payment in what_we_know.payments_of_open(run.state, kind.name):
        for page in pages(lambda after, of=payment: kind.page_of(gateway, of, after)):  # type: ignore[misc]
            yield [one for one in page if one.created is None or one.created < run.since]


def _compare_page(
    run: Run, kind: _Kind, page: Sequence[Told], elsewhere: Elsewhere
) -> Iterator[Finding]:
    by_payment: dict[str, list[Told]] = defaultdict(list)
    for told in page:
        if told.payment_intent_id is not None:
            by_payment[told.payment_intent_id].append(told)
    purchases = what_we_know.purchases_of_payments(run.state, by_payment)
    recorded = kind.known(run.state, [told.id for told in page])
    for payment, of_payment in by_payment.items():
        purchase = purchases.get(payment)
        if purchase is None:
            elsewhere.setdefault(payment, []).extend(of_payment)
            continue
        pairs = [(told, recorded.get(told.id)) for told in of_payment]
        by_id = {told.id: told for told in of_payment}
        for finding in kind.compare(run.judge, purchase, pairs):
            left = _repair(run, kind, finding, by_id[finding.about or ""])
            if left is not None:
                yield left


def _repair(run: Run, kind: _Kind, finding: Finding, told: Told) -> Finding | None:
    if finding.kind is Kind.CONTRADICTION:
        return run.note(finding, record_told(told), kind.event_type)
    if not run.apply or finding.kind is Kind.BREACH:
        return finding
    error = run.record(record_told(told))
    return replace(finding, repaired=error is None, error=error)


def record_elsewhere(run: Run, told: Iterable[Told]) -> str | None:
    """Record what went back of a payment; return why that didn't work."""
    errors = (run.record(record_told(one)) for one in told)
    return next(filter(None, errors), None)


def record_told(told: Told) -> Record:
    """Return what records a refund or a dispute."""
    if isinstance(told, Refund):
        return lambda uow: record_refunds(uow, [told])
    return lambda uow: record_dispute(uow, told)
