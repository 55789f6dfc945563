"""What every act in the sandbox needs: the store, the clock, and what caused it."""

from __future__ import annotations

from dataclasses import dataclass

from .clock import Clock
from .store import Store


@dataclass(frozen=True, slots=True)
class Cause:
    """The request behind an act, as events quote it; empty for what the buyer or time did."""

    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    """
    :ivar api_version: version of Stripe's API that objects are written in.
    :ivar url: the sandbox's own address, without a slash at the end.
    :ivar remote_webhooks: whether events may be sent to other machines.
    """

    store: Store
    clock: Clock
    api_version: str
    url: str = "http://localhost"
    cause: Cause = Cause()
    remote_webhooks: bool = False

    def now(self) -> int:
        """Return whole seconds since the epoch."""
        return self.clock.now()
