"""Counts what the floors measure and what the signals tell, for one app."""

from __future__ import annotations

import datetime as dt
import functools
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from flask import Flask
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from ..config import Settings
from ..logs import Log
from ..measurements import (
    DatabaseTrouble,
    FulfillmentFailure,
    Measurements,
    StripeOutcome,
    WebhookOutcome,
)
from ..signals import (
    grant_committed,
    purchase_created,
    purchase_expired,
    purchase_failed,
    purchase_flagged,
)
from ..snapshots import GrantSnapshot, PurchaseSnapshot
from .database_gauges import gauges_of
from .families import families_of

P = ParamSpec("P")
M = TypeVar("M", Counter, Histogram)

log: Log = Log(__name__)

# Who completed a purchase, by the beginning of the cause of its grant.
_ENTRANCES = {
    "evt_": "webhook",
    "return page": "return_page",
    "reconcile": "reconcile",
    "rebuild": "reconcile",
    "operator": "operator",
    "replay": "operator",
}
_ELSE = "other"
_REASONS = ("purchase", "refund", "refund_failed", "dispute", "dispute_won", "review")


def labels_of(settings: Settings) -> tuple[str, str]:
    """The values of :data:`.families.COMMON`."""
    modes = {True: "live", False: "test", None: "unknown"}
    return settings.site, modes[settings.livemode]


def _never_raising(count: Callable[P, None]) -> Callable[P, None]:
    """A full disk below the metrics is no reason to refuse a payment."""

    @functools.wraps(count)
    def counted(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            count(*args, **kwargs)
        except Exception:
            log.exception("metrics_failed", "%s could not be counted", count.__name__)

    return counted


class _Children(dict[str | tuple[str, ...], M]):
    """Metrics by name, or by name and labels of their own, made when they are first asked for.

    The library's own lookup is slower than the counting.
    """

    def __init__(self, families: Mapping[str, M], common: tuple[str, str]) -> None:
        super().__init__()
        self._families: Mapping[str, M] = families
        self._common = common

    def __missing__(self, key: str | tuple[str, ...]) -> M:
        name, *labels = (key,) if isinstance(key, str) else key
        child: M = self._families[name].labels(*self._common, *labels)
        self[key] = child
        return child


class Counting(Measurements):
    """The metrics of one app. Lives as long as the app does.

    :param registry: None for the library's own.
    """

    def __init__(self, app: Flask, settings: Settings, registry: CollectorRegistry | None) -> None:
        self.registry: CollectorRegistry = REGISTRY if registry is None else registry
        families = families_of(self.registry)
        self._operations: set[str] = set()
        self._counters = _Children(families.counters, labels_of(settings))
        self._histograms = _Children(families.histograms, labels_of(settings))
        self._begin_at_zero()
        gauges_of(self.registry).add(app)
        # Weakly: they end with the app.
        purchase_created.connect(self._created, sender=app)
        grant_committed.connect(self._granted, sender=app)
        purchase_failed.connect(self._failed, sender=app)
        purchase_expired.connect(self._expired, sender=app)
        purchase_flagged.connect(self._flagged, sender=app)

    def _begin_at_zero(self) -> None:
        """Or the first of its kind would be no increase."""
        for by in {*_ENTRANCES.values(), _ELSE}:
            self._counters["purchases_completed_total", by]
        for reason in ("payment_failed", "expired"):
            self._counters["purchases_failed_total", reason]
        for outcome in WebhookOutcome:
            self._counters["webhook_deliveries_total", outcome]
        for failure in FulfillmentFailure:
            self._counters["fulfillment_failures_total", failure]
        for trouble in DatabaseTrouble:
            self._counters["database_failures_total", trouble]
        for outcome_name in ("delivered", "failed"):
            self._counters["outbox_deliveries_total", outcome_name]
        for reason in (*_REASONS, _ELSE):
            self._counters["grants_total", reason]
        for name in (
            *("checkouts_created_total", "purchases_flagged_total", "database_retries_total"),
            *("credits_given_total", "credits_taken_total"),
        ):
            self._counters[name]

    # What the signals tell.

    @_never_raising
    def _created(self, sender: Flask, purchase: PurchaseSnapshot, **_: Any) -> None:
        self._counters["checkouts_created_total"].inc()

    @_never_raising
    def _granted(
        self, sender: Flask, purchase: PurchaseSnapshot, grant: GrantSnapshot, **_: Any
    ) -> None:
        reason = grant.reason if grant.reason in _REASONS else _ELSE
        self._counters["grants_total", reason].inc()
        given = "credits_given_total" if grant.credits > 0 else "credits_taken_total"
        self._counters[given].inc(abs(grant.credits))
        if grant.sequence == 1:
            self._completed(purchase, grant)

    def _completed(self, purchase: PurchaseSnapshot, grant: GrantSnapshot) -> None:
        by = (name for begin, name in _ENTRANCES.items() if grant.cause.startswith(begin))
        self._counters["purchases_completed_total", next(by, _ELSE)].inc()
        self._counters["purchase_amount_total", purchase.currency].inc(purchase.amount_paid or 0)
        self._histograms["purchase_credits"].observe(purchase.amount_credits)
        seconds = (grant.created_at - purchase.created_at).total_seconds()
        self._histograms["purchase_completion_seconds"].observe(max(seconds, 0.0))

    @_never_raising
    def _failed(self, sender: Flask, purchase: PurchaseSnapshot, **_: Any) -> None:
        self._counters["purchases_failed_total", "payment_failed"].inc()

    @_never_raising
    def _expired(self, sender: Flask, purchase: PurchaseSnapshot, **_: Any) -> None:
        self._counters["purchases_failed_total", "expired"].inc()

    @_never_raising
    def _flagged(self, sender: Flask, **_: Any) -> None:
        self._counters["purchases_flagged_total"].inc()

    # What the floors measure.

    @_never_raising
    def stripe_called(self, operation: str, outcome: StripeOutcome, seconds: float) -> None:
        if operation not in self._operations:
            self._operations.add(operation)
            for possible in StripeOutcome:
                self._counters["stripe_calls_total", operation, possible]
        self._counters["stripe_calls_total", operation, outcome].inc()
        self._histograms["stripe_call_seconds", operation].observe(seconds)

    @_never_raising
    def webhook_answered(
        self,
        event_type: str | None,
        created: dt.datetime | None,
        outcome: WebhookOutcome,
        seconds: float,
    ) -> None:
        self._counters["webhook_deliveries_total", outcome].inc()
        self._histograms["webhook_seconds"].observe(seconds)
        if event_type is not None:
            self._counters["webhook_events_total", event_type, outcome].inc()
        if created is not None and outcome is WebhookOutcome.HANDLED:
            lag = (dt.datetime.now(dt.UTC) - created).total_seconds()
            self._histograms["webhook_lag_seconds"].observe(max(lag, 0.0))

    @_never_raising
    def database_failed(self, trouble: DatabaseTrouble) -> None:
        self._counters["database_failures_total", trouble].inc()

    @_never_raising
    def database_retried(self) -> None:
        self._counters["database_retries_total"].inc()

    @_never_raising
    def fulfillment_failed(self, failure: FulfillmentFailure) -> None:
        self._counters["fulfillment_failures_total", failure].inc()

    @_never_raising
    def delivery_attempted(self, delivered: bool) -> None:
        outcome = "delivered" if delivered else "failed"
        self._counters["outbox_deliveries_total", outcome].inc()

    @_never_raising
    def receivers_called(self, seconds: float) -> None:
        self._histograms["receivers_seconds"].observe(seconds)


_known: weakref.WeakKeyDictionary[Flask, Counting] = weakref.WeakKeyDictionary()


def counting_of(app: Flask, settings: Settings, registry: CollectorRegistry | None) -> Counting:
    """Return what counts for ``app``, made the first time: two would count everything twice."""
    found = _known.get(app)
    if found is None:
        found = _known[app] = Counting(app, settings, registry)
    return found
