"""Every metric there is, by name. Whatever is a label takes few values, whoever sends what."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

PREFIX = "stripe_credits_"
# Which installation, and whether its money is real: on every metric.
COMMON = ("site", "mode")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    :ivar name: without :data:`PREFIX`; a counter's ends in ``_total``.
    :ivar labels: without :data:`COMMON`.
    :ivar buckets: of a histogram, its upper bounds.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (1.0, 5.0, 15.0, 60.0, 300.0, 600.0, 1_800.0, 3_600.0, 21_600.0, 86_400.0)

COUNTERS = (
    Family("checkouts_created_total", "Checkouts opened at Stripe"),
    Family("purchases_completed_total", "Purchases paid and granted", ("by",)),
    Family("purchases_failed_total", "Purchases that ended without money", ("reason",)),
    Family("purchases_flagged_total", "Purchases and events that an operator has to look at"),
    Family("purchase_amount_total", "Money of completed purchases, in minor units", ("currency",)),
    Family("grants_total", "Grants committed, also those that take credits back", ("reason",)),
    Family("credits_given_total", "Credits granted or given back"),
    Family("credits_taken_total", "Credits taken back"),
    Family("webhook_deliveries_total", "Webhook deliveries by what became of them", ("outcome",)),
    Family("webhook_events_total", "Verified events", ("event_type", "outcome")),
    Family("fulfillment_failures_total", "Times that credits could not be added", ("failure",)),
    Family("outbox_deliveries_total", "Grants handed over from the outbox", ("outcome",)),
    Family(
        "stripe_calls_total",
        "Requests to Stripe, once however often tried",
        ("operation", "outcome"),
    ),
    Family("database_failures_total", "Transactions that were given up", ("trouble",)),
    Family("database_retries_total", "Transactions that were tried again"),
)
HISTOGRAMS = (
    Family(
        "purchase_credits",
        "Credits of completed purchases",
        buckets=(10, 100, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 1_000_000),
    ),
    Family("purchase_completion_seconds", "From opening a checkout to its credits", buckets=_SLOW),
    Family("webhook_lag_seconds", "From an event at Stripe to our answer", buckets=_SLOW),
    Family("webhook_seconds", "How long a delivery took us", buckets=_QUICK),
    Family("receivers_seconds", "How long the host's receivers took", buckets=_QUICK),
    Family(
        "stripe_call_seconds",
        "How long Stripe took, with all tries",
        ("operation",),
        buckets=(0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0),
    ),
)
# Read from the database when they are asked for.
GAUGES = (
    Family("database_up", "1 when the database answered the last question for these gauges"),
    Family("paid_not_granted", "Purchases that are paid but not granted", ("seen",)),
    Family(
        "paid_not_granted_oldest_seconds", "For how long the oldest of them has waited", ("seen",)
    ),
    Family("grants_undelivered", "Grants that wait in the outbox"),
    Family("grants_undelivered_oldest_seconds", "For how long the oldest of them has waited"),
    Family("waiting", "What waits for an operator", ("kind",)),
    Family("webhook_last_handled_timestamp_seconds", "When a webhook was last handled; 0: never"),
)


class Families:
    """The counters and histograms of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counters: dict[str, Counter] = {
            one.name: Counter(
                PREFIX + one.name, one.help, (*COMMON, *one.labels), registry=registry
            )
            for one in COUNTERS
        }
        self.histograms: dict[str, Histogram] = {
            one.name: Histogram(
                PREFIX + one.name,
                one.help,
                (*COMMON, *one.labels),
                registry=registry,
                buckets=one.buckets,
            )
            for one in HISTOGRAMS
        }


_known: weakref.WeakKeyDictionary[CollectorRegistry, Families] = weakref.WeakKeyDictionary()


def families_of(registry: CollectorRegistry) -> Families:
    """The families of ``registry``, made the first time: it refuses a second of one name."""
    found = _known.get(registry)
    if found is None:
        found = _known[registry] = Families(registry)
    return found
