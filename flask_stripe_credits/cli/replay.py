"""``flask credits replay``: do once more what events say."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from ..errors import StripeCreditsError
from ..replays import KEPT_AT_STRIPE, Replayed, replay_event, replay_failed, replay_since
from ..state import AppState, current_state
from .actor import acting, by_option
from .mode import check_live, mode_and_site
from .moments import Since
from .tables import printable

_NEEDS_SOMEBODY = 1


@click.command("replay")
@click.argument("event", required=False)
@click.option("--failed", is_flag=True, help="Every event that failed here.")
@click.option("--since", type=Since(), help="Every event at Stripe since then: 3d, a date or time.")
@by_option
@click.option("--live", is_flag=True, help="Say that live purchases are meant.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; the last one sums up."
)
@with_appcontext
def replay_command(
    event: str | None,
    failed: bool,
    since: dt.datetime | None,
    by: str | None,
    live: bool,
    as_json: bool,
) -> None:
    """Do once more what EVENT says: read it from Stripe again, record it, and fulfill.

    Credits move only if they hadn't yet. Stripe keeps events for 30 days; what we have heard of
    can be replayed at any age. Safe to repeat, to stop, and to run beside webhooks. Exit code 0
    when all is done, 1 when something failed or somebody has to look.
    """
    if [event is not None, failed, since is not None].count(True) != 1:
        raise click.UsageError("name an EVENT, or say --failed or --since: one of them")
    printer = _Printer(as_json)
    try:
        state = current_state()
        if not as_json:
            click.echo(mode_and_site(state))
        check_live(state, writes=True, live=live)
        if since is not None and since < dt.datetime.now(dt.UTC) - KEPT_AT_STRIPE:
            printer.say(f"Stripe keeps events for {KEPT_AT_STRIPE.days} days only")
        try:
            for replayed in _replay(state, event, failed, since, acting(by)):
                printer.tell(replayed)
        finally:
            if event is None or as_json:
                printer.sum_up()
    except StripeCreditsError as error:
        raise click.ClickException(printable(str(error))) from None
    if printer.problems:
        raise SystemExit(_NEEDS_SOMEBODY)


def _replay(
    state: AppState, event: str | None, failed: bool, since: dt.datetime | None, actor: str
) -> Iterator[Replayed]:
    if event is not None:
        yield replay_event(state, event, actor=actor)
    elif failed:
        yield from replay_failed(state, actor=actor)
    elif since is not None:
        yield from replay_since(state, since, actor=actor)


class _Printer:
    """Tells each event at once, and counts.

    :ivar problems: how many failed or wait for somebody.
    """

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self.events = self.ignored = self.problems = 0
        self.given = self.taken = 0

    def say(self, line: str) -> None:
        click.echo(line, err=True)

    def tell(self, one: Replayed) -> None:
        self.events += 1
        self.problems += one.problem is not None
        self.given += max(one.credits, 0)
        self.taken += min(one.credits, 0)
        if one.verdict == "ignored":
            self.ignored += 1
        if self._as_json:
            click.echo(json.dumps(asdict(one)))
        else:
            click.echo(printable(_as_text(one)))

    def sum_up(self) -> None:
        if self._as_json:
            names = ("events", "ignored", "problems", "given", "taken")
            click.echo(json.dumps({name: getattr(self, name) for name in names}))
            return
        click.echo(
            f"{self.events} replayed, {self.ignored} of them not ours, {self.problems} with "
            f"problems: {self.given:,} credits given, {-self.taken:,} taken back"
        )


def _as_text(one: Replayed) -> str:
    about = f"{one.event_id} {one.type} {one.object_id}"
    if one.purchase_id is not None:
        about += f", purchase {one.purchase_id}"
    told = f"{about}: {one.verdict or 'not replayed'}"
    if one.verdict == "handled":
        told += f", {one.credits:+,} credits" if one.credits else ", nothing was missing"
    return f"{told}: {one.problem}" if one.problem else told
