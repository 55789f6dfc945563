"""``flask credits reconcile``: compare Stripe with us and record what we missed."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import dataclass
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import StripeCreditsError
from ..integers import LARGEST_INTEGER
from ..reconciliation import Finding, Run, Totals, reconcile
from ..reconciliation.rebuild import Order, rebuild
from ..state import AppState, current_state
from .actor import acting
from .mode import check_live, mode_and_site
from .moments import Since

PROGRESS_EVERY_SECONDS = 5.0
_NEEDS_SOMEBODY = 1
_SOMETHING_TO_DO = 2


@click.command("reconcile")
@click.option("--plan/--apply", "only_plan", default=True, help="Show what differs, or repair it.")
@click.option(
    "--since", type=Since(), default="35d", help="How far back to read: 35d, 12h, a date or time."
)
@click.option("--live", is_flag=True, help="Say that live purchases are meant.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; the last one sums up."
)
@click.option(
    "--rebuild", "session_id", metavar="SESSION", help="Make the purchase of this session again."
)
@click.option("--user", "user_id", metavar="ID", help="With --rebuild: whose purchase it was.")
@click.option("--package", "package_code", metavar="CODE", help="With --rebuild: what was bought.")
@click.option(
    "--credits",
    type=click.IntRange(1, LARGEST_INTEGER),
    metavar="NUMBER",
    help="With --rebuild: how many were sold, if the package holds others today.",
)
@click.option("--by", "actor", metavar="NAME", help="With --apply or --rebuild: who does it.")
@with_appcontext
def reconcile_command(
    only_plan: bool,
    since: dt.datetime,
    live: bool,
    as_json: bool,
    session_id: str | None,
    user_id: str | None,
    package_code: str | None,
    credits: int | None,
    actor: str | None,
) -> None:
    """Compare every checkout, refund and dispute at Stripe with what is recorded here.

    Without --apply it only tells what differs. With it, what Stripe says is recorded and
    fulfilled. Exit code 0 when nothing differs or all of it was repaired, 2 when something is to
    be repaired, 1 when something failed or somebody has to look. Safe to repeat, to stop, and to
    run beside webhooks.
    """
    rebuilding = session_id is not None
    try:
        state = current_state()
        check_live(state, writes=rebuilding or not only_plan, live=live)
        if session_id is not None:
            order = _order(session_id, user_id, package_code, credits, actor)
            click.echo(mode_and_site(state))
            _rebuild(state, order)
            return
        if (user_id, package_code, credits) != (None, None, None):
            raise click.UsageError("--user, --package and --credits go with --rebuild")
        if actor is not None and only_plan:
            raise click.UsageError("--by goes with --apply and --rebuild")
        printer = _Printer(as_json, only_plan, live)
        printer.say(f"{mode_and_site(state)}, since {since:%Y-%m-%d %H:%M %Z}")
        run = Run(
            state, since, apply=not only_plan, progress=printer.progress, actor=_runner(actor)
        )
        finished = False
        try:
            for finding in reconcile(run):
                printer.tell(finding)
            finished = True
        finally:
            printer.sum_up(run, finished)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    totals = run.totals
    if totals.need_somebody:
        raise SystemExit(_NEEDS_SOMEBODY)
    if totals.to_repair:
        raise SystemExit(_SOMETHING_TO_DO)


def _runner(by: str | None) -> str:
    """Who runs it; a container's user may have no name, and cron has nobody to ask."""
    try:
        return acting(by)
    except click.UsageError:
        if by is not None:
            raise
        return "reconcile"


def _order(
    session_id: str,
    user_id: str | None,
    package_code: str | None,
    credits: int | None,
    actor: str | None,
) -> Order:
    if user_id is None or package_code is None:
        raise click.UsageError("--rebuild needs --user and --package")
    if not 1 <= len(user_id) <= 255:
        raise click.BadParameter("1 to 255 characters", param_hint="--user")
    return Order(session_id, user_id, package_code, acting(actor), credits)


def _rebuild(state: AppState, order: Order) -> None:
    rebuilt = rebuild(state, order)
    purchase = rebuilt.purchase
    click.echo(
        f"{'rebuilt' if rebuilt.made else 'was here already'}: purchase {purchase.id} of user "
        f"{purchase.user_id}, {purchase.package_code}: {purchase.status}, "
        f"{rebuilt.posted} credits granted"
    )
    if purchase.review_reason is not None:
        click.echo(f"it needs a decision: {purchase.review_reason}")
        raise SystemExit(_NEEDS_SOMEBODY)


@dataclass
class _Printer:
    """Tells people on standard output, or programs a JSON object a line; how far, on the error."""

    as_json: bool
    only_plan: bool
    live: bool
    said_at: float = 0.0

    def say(self, line: str) -> None:
        if not self.as_json:
            click.echo(line)

    def progress(self, how_far: str) -> None:
        now = time.monotonic()
        if not self.said_at:
            self.said_at = now
        if now - self.said_at > PROGRESS_EVERY_SECONDS:
            self.said_at = now
            click.echo(how_far, err=True)

    def tell(self, finding: Finding) -> None:
        click.echo(json.dumps(_as_json(finding)) if self.as_json else _as_text(finding))

    def sum_up(self, run: Run, finished: bool) -> None:
        totals = run.totals
        if self.as_json:
            click.echo(json.dumps(_sum_as_json(run) | {"finished": finished}))
            return
        compared = ", ".join(f"{number:,} {name}" for name, number in totals.compared.items())
        click.echo(f"compared: {compared or 'nothing'}")
        click.echo(_verdict(totals) if finished else f"NOT FINISHED, so far: {_verdict(totals)}")
        if totals.to_repair and self.only_plan:
            live = " --live" if self.live else ""
            click.echo(f"to repair it: `flask credits reconcile --apply{live}`")


def _verdict(totals: Totals) -> str:
    if not totals.found:
        return "nothing differs"
    credits = f"(+{totals.granted} -{totals.taken} credits)"
    parts = {
        f"{totals.to_repair} to repair {credits}": totals.to_repair,
        f"{totals.repaired} repaired {credits}": totals.repaired,
        f"{totals.errors} failed": totals.errors,
        f"{totals.need_somebody} need somebody": totals.need_somebody,
    }
    return ", ".join(part for part, number in parts.items() if number)


def _as_text(finding: Finding) -> str:
    whose = finding.purchase_id or "-"
    text = f"{finding.kind}: purchase {whose}"
    if finding.user_id is not None:
        text += f" of {finding.user_id}"
    text += f": {finding.text}"
    if finding.credits:
        text += f": {finding.credits:+d} credits"
    if finding.error is not None:
        return f"{text}: FAILED: {finding.error}"
    return f"{text}: done" if finding.repaired else text


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "purchase_id": None if finding.purchase_id is None else str(finding.purchase_id),
        "user_id": finding.user_id,
        "stripe_id": finding.about,
        "credits": finding.credits,
        "text": finding.text,
        "repaired": finding.repaired,
        "needs_somebody": finding.needs_somebody,
        "error": finding.error,
    }


def _sum_as_json(run: Run) -> dict[str, Any]:
    totals = run.totals
    return {
        "run": run.name,
        "livemode": run.state.settings.livemode,
        "site": run.state.settings.site,
        "since": run.since.isoformat(),
        "applied": run.apply,
        "compared": dict(totals.compared),
        "found": dict(totals.found),
        "to_repair": totals.to_repair,
        "repaired": totals.repaired,
        "errors": totals.errors,
        "need_somebody": totals.need_somebody,
        "credits_granted": totals.granted,
        "credits_taken": totals.taken,
    }
