"""``flask credits purge``: delete old events of the inbox."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import dataclass, field

import click
from flask.cli import with_appcontext

from ..errors import StripeCreditsError
from ..purging import YOUNGEST, Old, count_old, purge
from ..state import AppState, current_state
from .actor import acting, by_option
from .mode import check_live_if_known, mode_if_known
from .moments import Since
from .stopping import told_to_stop

PROGRESS_EVERY_SECONDS = 5.0
_SOMETHING_TO_DO = 2


@click.command("purge")
@click.option("--plan/--apply", "only_plan", default=True, help="Count, or delete.")
@click.option(
    "--older-than",
    "before",
    type=Since(),
    default="180d",
    help="How old what is deleted must be: 180d, a date or time.",
)
@by_option
@click.option("--live", is_flag=True, help="Say that a live database is meant.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_appcontext
def purge_command(
    only_plan: bool, before: dt.datetime, by: str | None, live: bool, as_json: bool
) -> None:
    """Delete old events of Stripe's from the inbox, credit_webhook_events.

    Only those that were handled and that nobody was asked about: no money depends on them, and
    grants, payments and the audit log stay. Without --apply it only counts: exit code 0 when
    there is nothing to delete, 2 when there is. Safe to repeat, to stop, to kill, and to run
    beside webhooks.
    """
    if dt.datetime.now(dt.UTC) - before < YOUNGEST:
        raise click.BadParameter(
            f"at least {YOUNGEST.days}d: Stripe may deliver again what is younger",
            param_hint="--older-than",
        )
    actor = "" if only_plan else acting(by)
    try:
        state = current_state()
        if not as_json:
            click.echo(f"{mode_if_known(state)}, events from before {before:%Y-%m-%d %H:%M %Z}")
        check_live_if_known(state, writes=not only_plan, live=live)
        told = _Told(count_old(state, before), before, as_json)
        if only_plan:
            told.plan(live)
        else:
            _apply(state, before, actor, told)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    if only_plan and told.old.spent:
        raise SystemExit(_SOMETHING_TO_DO)


def _apply(state: AppState, before: dt.datetime, actor: str, told: _Told) -> None:
    if not 1 <= len(actor) <= 255:
        raise click.BadParameter("1 to 255 characters", param_hint="--by")
    finished = not told.old.spent
    try:
        with told_to_stop() as stopped:
            for deleted in purge(state, before, actor=actor) if told.old.spent else ():
                told.progress(deleted)
                if stopped.is_set():
                    break
            else:
                finished = True
    finally:
        told.end(finished)


@dataclass
class _Told:
    """What there was, what was deleted, and telling it."""

    old: Old
    before: dt.datetime
    as_json: bool
    deleted: int = 0
    said_at: float = field(default_factory=time.monotonic)

    def plan(self, live: bool) -> None:
        if self.as_json:
            self._print(applied=False, finished=True)
            return
        click.echo(f"{self.old.spent:,} to delete, {self.old.kept:,} to keep")
        if self.old.spent:
            click.echo(f"to delete them: `flask credits purge --apply{' --live' if live else ''}`")

    def progress(self, deleted: int) -> None:
        self.deleted += deleted
        now = time.monotonic()
        if now - self.said_at > PROGRESS_EVERY_SECONDS:
            self.said_at = now
            click.echo(f"{self.deleted:,} of {self.old.spent:,} deleted", err=True)

    def end(self, finished: bool) -> None:
        if self.as_json:
            self._print(applied=True, finished=finished)
            return
        rest = "" if finished else "; not finished, run it again"
        click.echo(f"{self.deleted:,} deleted, {self.old.kept:,} kept{rest}")

    def _print(self, *, applied: bool, finished: bool) -> None:
        told = {
            "before": self.before.isoformat(),
            "to_delete": self.old.spent,
            "deleted": self.deleted,
            "kept": self.old.kept,
            "applied": applied,
            "finished": finished,
        }
        click.echo(json.dumps(told))
