"""One run: what it was asked to do, and how it records what Stripe says."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from ..errors import StripeCreditsError
from ..facts import Recorded, Verdict
from ..fulfillment import settle
from ..notices import log_act
from ..state import AppState
from ..unit_of_work import UnitOfWork
from .comparison import Judge
from .findings import Finding, Kind, Totals
from .known import verdicts_on

Record = Callable[[UnitOfWork], Recorded]

_SETTLED: frozenset[str] = frozenset({Verdict.HANDLED, Verdict.DISMISSED})
# An event that was handled once says nothing about a purchase that was lost after it.
DECIDED: Mapping[Kind, frozenset[str]] = {
    Kind.ORPHAN: frozenset({Verdict.DISMISSED}),
    Kind.STRANGER: _SETTLED,
    Kind.CONTRADICTION: _SETTLED,
}


def _name_now() -> str:
    return f"reconcile-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


@dataclass(frozen=True, slots=True)
class Run:
    """A comparison under way.

    :ivar since: how far back Stripe's lists are read, aware, whole seconds as Stripe counts.
    :ivar apply: whether to record what Stripe says, or only to tell.
    :ivar progress: told now and then how far it got.
    :ivar actor: who runs it, for the audit log.
    :ivar name: the cause of the grants and audit entries that it leads to.
    """

    state: AppState
    since: dt.datetime
    apply: bool
    progress: Callable[[str], object] = lambda _: None
    totals: Totals = field(default_factory=Totals)
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    actor: str = "reconcile"
    name: str = field(default_factory=_name_now)

    @property
    def judge(self) -> Judge:
        return Judge(self.state.settings, self.now)

    def record(self, record: Record) -> str | None:
        """Record a fact and fulfill in a transaction of its own; return why that didn't work."""
        return self._settled(record, self.name, finish=self._sign)

    def _sign(self, uow: UnitOfWork, recorded: Recorded) -> None:
        if recorded.purchase_id is not None:
            about = {"run": self.name}
            log_act(uow, self.actor, "purchase.reconciled", recorded.purchase_id, about)

    def note(self, finding: Finding, record: Record, event_type: str) -> Finding | None:
        """Return what only flags something, None when an operator has decided on it.

        With ``apply`` it gets into the inbox, once, as the event would have got it there, so
        that ``flask credits review`` shows it.
        """
        verdicts = verdicts_on(self.state, finding)
        if verdicts & DECIDED[finding.kind]:
            return None
        if not self.apply or verdicts & {Verdict.REVIEW, Verdict.ORPHAN}:
            return finding
        object_id = finding.about or ""

        def inbox_row(uow: UnitOfWork, recorded: Recorded) -> Mapping[str, Any] | None:
            if recorded.verdict not in (Verdict.REVIEW, Verdict.ORPHAN):
                return None
            return {
                "event_stripe_event_id": object_id,
                "event_type": event_type,
                "event_object_id": object_id,
                "event_purchase_id": recorded.purchase_id,
                "event_api_version": None,
                "event_verdict": recorded.verdict,
                "event_error_class": None,
                "event_created": None,
                "event_received_at": uow.now,
                "event_updated_at": uow.now,
            }

        return replace(finding, error=self._settled(record, object_id, note=inbox_row))

    def _settled(self, record: Record, cause: str, **also: Any) -> str | None:
        try:
            settle(self.state, record, cause=cause, **also)
        except (StripeCreditsError, sa.exc.SQLAlchemyError) as error:
            # One purchase that can't be mended keeps no other from being mended.
            return f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return None
