"""``flask credits deliver``: hand over what waits in the outbox."""

from __future__ import annotations

import threading

import click
from flask.cli import with_appcontext

from ..errors import DatabaseBusy, Refuse, StripeCreditsError
from ..fulfillment import Attempt, deliveries
from ..outbox import described, read_backlog
from ..state import AppState, current_state
from .mode import check_live_if_known, mode_if_known
from .stopping import told_to_stop

POLL_SECONDS = 1.0
_SOMETHING_LEFT = 2


@click.command("deliver")
@click.option("--watch", is_flag=True, help="Go on until SIGTERM or Ctrl-C.")
@click.option("--live", is_flag=True, help="Say that live purchases are meant.")
@with_appcontext
def deliver_command(watch: bool, live: bool) -> None:
    """Hand the grants that wait in the outbox to your receivers.

    Exit code 0 when nothing is left undelivered, 2 when something is: it failed and will be tried
    again by a later run. Safe to repeat, and to run in several processes at once. Told to stop, it
    finishes the grant that it has in hand.
    """
    try:
        state = current_state()
        _announce(state, live)
        with told_to_stop() as stopped:
            if watch:
                _watch(state, stopped)
            else:
                _deliver_once(state, stopped)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None


def _announce(state: AppState, live: bool) -> None:
    # Delivering needs no key of Stripe's: a worker is better off without one.
    click.echo(f"{mode_if_known(state)}, delivery {state.settings.delivery}")
    check_live_if_known(state, writes=True, live=live)


def _deliver_once(state: AppState, stopped: threading.Event) -> None:
    _deliver(state, stopped)
    backlog = read_backlog(state)
    if backlog.in_review:
        click.echo(f"{backlog.in_review} undelivered in review, until somebody decides")
    if backlog.left:
        click.echo(f"{backlog.left} left undelivered")
        raise SystemExit(_SOMETHING_LEFT)
    click.echo("nothing is left to deliver")


def _watch(state: AppState, stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            _deliver(state, stopped)
        except DatabaseBusy as error:
            click.echo(f"{error}; going on", err=True)
        stopped.wait(POLL_SECONDS)
    click.echo("Stopped.")


def _deliver(state: AppState, stopped: threading.Event) -> None:
    for attempt in deliveries(state):
        click.echo(_line(attempt))
        if stopped.is_set():
            break


def _line(attempt: Attempt) -> str:
    grant = attempt.grant
    told = (
        f"grant {grant.id} of purchase {grant.purchase_id}: "
        f"{grant.credits:+,} credits for {grant.user_id!r}"
    )
    if attempt.error is None:
        return f"delivered  {told}"
    if attempt.next_attempt_at is None or isinstance(attempt.error, Refuse):
        return f"refused    {told}: {attempt.error}"
    when = attempt.next_attempt_at.isoformat(timespec="seconds")
    return f"failed     {told}: {described(attempt.error)}; next attempt at {when}"
