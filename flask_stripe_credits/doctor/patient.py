"""The app that is examined, and what earlier checks learnt of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from flask import Flask

from ..gateway import Answer
from ..state import AppState
from ..webhook_endpoints import webhook_url

# Facts, grants and webhooks follow a payment at once; nobody is woken up for a moment.
OVERDUE = dt.timedelta(minutes=5)


@dataclass(slots=True)
class Patient:
    """One app, as its own process sees it.

    :ivar url: where the running app's webhook can be reached from here, if not at
        :attr:`public_url`.
    :ivar stripe: Stripe's answer to our first question.
    """

    app: Flask
    state: AppState
    url: str | None = None
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    stripe: Answer | None = None

    @property
    def livemode(self) -> bool:
        """Whether the key is known to be a live one."""
        return bool(self.state.settings.livemode)

    @property
    def public_url(self) -> str | None:
        """Where Stripe should deliver, None when nobody says where the app is."""
        return webhook_url(self.state.settings) or self.url

    @property
    def reachable_url(self) -> str | None:
        """Where the running app's webhook is from here."""
        return self.url or self.public_url

    @property
    def stripe_now(self) -> dt.datetime:
        """The time by Stripe's clock, if it told."""
        return (self.stripe and self.stripe.date) or self.now

    @property
    def overdue(self) -> dt.datetime:
        """What happened before this and has had no effect won't have one by itself."""
        return self.now - OVERDUE

    def command(self, words: str) -> str:
        """Return a command that changes something at Stripe or of our purchases."""
        return f"flask credits {words}" + (" --live" if self.livemode else "")


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """Say how long ago ``moment`` was: ``3 minutes``, ``2 days``."""
    seconds = max(0, int((now - moment).total_seconds()))
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "a moment"
