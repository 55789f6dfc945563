"""The webhook endpoint that we want to have at Stripe: how one differs from it, and its upkeep."""

from __future__ import annotations

from .upkeep import (
    audit,
    find,
    make,
    mend,
    note_handed_over,
    remove,
    rival_of,
)
from .wanted import (
    API_VERSION,
    Difference,
    Kind,
    Wanted,
    compare,
    fingerprint,
    ours,
    secret_of,
    wanted_endpoint,
    webhook_url,
)

__all__ = [
    "API_VERSION",
    "Difference",
    "Kind",
    "Wanted",
    "audit",
    "compare",
    "find",
    "fingerprint",
    "make",
    "mend",
    "note_handed_over",
    "ours",
    "remove",
    "rival_of",
    "secret_of",
    "wanted_endpoint",
    "webhook_url",
]
