"""``flask credits sync``: the packages' products and prices at Stripe."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import click
from flask.cli import with_appcontext

from ..catalog.sync import PackagePlan, apply_sync, compare
from ..errors import GatewayError, GatewayKeyRefused, GatewayRejected, StripeCreditsError
from ..state import AppState, current_state
from .actor import acting, by_option
from .mode import check_live, mode_and_site
from .tables import printable

PROGRESS_EVERY_SECONDS = 5.0
_NEEDS_SOMEBODY = 1
_SOMETHING_TO_DO = 2


@click.command("sync")
@click.option(
    "--plan/--apply", "only_plan", default=True, help="Show what would be done, or do it."
)
@click.option(
    "--replace-ids",
    is_flag=True,
    help="With a test key: replace stored ids of live mode, in a copy of a live database.",
)
@by_option
@click.option("--live", is_flag=True, help="Say that live products and prices are meant.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; the last one sums up."
)
@with_appcontext
def sync_command(
    only_plan: bool, replace_ids: bool, by: str | None, live: bool, as_json: bool
) -> None:
    """Make Stripe's Products and Prices what the packages say.

    A package that is for sale gets a Product and a Price; what Stripe already has is adopted, never
    made twice, and what somebody changed in the Dashboard is set right. Prices that aren't used any
    more are archived, and so are the products of packages that aren't for sale, once no open
    checkout needs them. Without --apply it only tells what it would do: exit code 0 when all is in
    sync, 2 when something is to be done. 1 when something can't be. A package that isn't synced can
    be sold all the same. Safe to repeat, to kill, and to run twice at once.
    """
    run = _Run(only_plan, live, as_json, actor="" if only_plan else acting(by))
    finished = False
    try:
        state = current_state()
        run.say(mode_and_site(state))
        check_live(state, writes=not only_plan, live=live)
        try:
            for plan in compare(state, replace_ids=replace_ids, progress=run.progress):
                run.take(state, plan)
            finished = True
        finally:
            run.sum_up(state, finished)
    except StripeCreditsError as error:
        raise click.ClickException(_told(error)) from None
    if run.counts["failed"]:
        raise SystemExit(_NEEDS_SOMEBODY)
    if run.counts["to_sync"]:
        raise SystemExit(_SOMETHING_TO_DO)


@dataclass
class _Run:
    """Plans or applies, and tells people, or programs a JSON object a line."""

    only_plan: bool
    live: bool
    as_json: bool
    actor: str
    counts: Counter[str] = field(default_factory=Counter)
    said_at: float = field(default_factory=time.monotonic)

    def say(self, line: str) -> None:
        if not self.as_json:
            click.echo(printable(line))

    def progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.said_at > PROGRESS_EVERY_SECONDS:
            self.said_at = now
            click.echo(f"{done} of {total} packages", err=True)

    def take(self, state: AppState, plan: PackagePlan) -> None:
        """Apply one plan, if that is wanted, and tell of it."""
        steps, error = plan.steps, plan.problem
        if steps and not self.only_plan:
            try:
                plan = apply_sync(state, plan, actor=self.actor)
            except GatewayRejected as rejected:
                if isinstance(rejected, GatewayKeyRefused):
                    raise
                # The other packages needn't wait for this one.
                error = _told(rejected)
            except StripeCreditsError as stopped:
                self._tell(plan, steps, _told(stopped))
                raise
        self._tell(plan, steps, error)

    def _tell(self, plan: PackagePlan, steps: tuple[str, ...], error: str | None) -> None:
        result = _result(steps, error, self.only_plan)
        self.counts[result] += 1
        if self.as_json:
            click.echo(json.dumps(_as_json(plan, steps, result, error)))
            return
        words = ", ".join(steps)
        if error is not None:
            words = f"{words}: FAILED: {error}" if words else error
        elif not steps:
            words = "in sync" if plan.package["is_active"] else "not for sale, in sync"
        elif not self.only_plan:
            words += ": done"
        elif plan.refuses_buyers:
            words += " (until then Stripe refuses every checkout)"
        self.say(f"{plan.code}: {words}")
        for left in plan.waiting if error is None else ():
            self.say(f"  later: {left}")

    def sum_up(self, state: AppState, finished: bool) -> None:
        counts, settings = self.counts, state.settings
        if self.as_json:
            about = {"livemode": settings.livemode, "site": settings.site, "finished": finished}
            names = ("in_sync", "to_sync", "synced", "failed")
            applied = not self.only_plan
            click.echo(json.dumps({n: counts[n] for n in names} | {"applied": applied} | about))
            return
        if finished and not counts.total():
            self.say("there are no packages: run `flask credits packages load`")
        if counts["to_sync"]:
            command = f"flask credits sync --apply{' --live' if self.live else ''}"
            self.say(f"{counts['to_sync']} to sync: run `{command}`")
        if counts["failed"]:
            self.say(f"{counts['failed']} failed")


def _result(steps: tuple[str, ...], error: str | None, only_plan: bool) -> str:
    if error is not None:
        return "failed"
    if not steps:
        return "in_sync"
    return "to_sync" if only_plan else "synced"


def _as_json(
    plan: PackagePlan, steps: tuple[str, ...], result: str, error: str | None
) -> dict[str, Any]:
    return {
        "package_code": plan.code,
        "result": result,
        "steps": steps,
        "later": plan.waiting if error is None else (),
        "refuses_buyers": result == "to_sync" and plan.refuses_buyers,
        "error": error,
    }


def _told(error: StripeCreditsError) -> str:
    request_id = error.request_id if isinstance(error, GatewayError) else None
    return f"{error} (request {request_id})" if request_id else str(error)
