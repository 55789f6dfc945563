"""``flask credits review …``: what doesn't fit waits for an operator."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from .. import reviews
from ..errors import StripeCreditsError
from ..facts import Ruling
from ..review_queue import Waiting, waiting
from ..state import AppState, current_state
from .actor import acting, by_option
from .mode import check_live, mode_and_site

_REFUSED = 1

review_group = AppGroup("review", help="Decide on what contradicts what was sold.")


@review_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_appcontext
def list_command(as_json: bool) -> None:
    """List what waits for a decision: purchases, events and orphans."""
    try:
        state = current_state()
        if not as_json:
            click.echo(mode_and_site(state))
        count = 0
        for one in waiting(state):
            count += 1
            click.echo(_as_json(one) if as_json else _as_text(one))
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    if not as_json:
        click.echo(f"{count} to decide on" if count else "nothing to decide on")


def _as_json(one: Waiting) -> str:
    return json.dumps(asdict(one) | {"since": one.since.isoformat()})


def _as_text(one: Waiting) -> str:
    about = f", purchase {one.purchase_id}" if one.kind != "purchase" else ""
    lines = [f"{one.kind} {one.id}, {one.object_id}{about}: {one.reason}"]
    if one.kind == "orphan":
        lines.append(
            f"  `flask credits reconcile --rebuild {one.object_id} --user ID --package CODE` "
            f"makes the purchase again"
        )
    return "\n".join(lines)


def _decision(function: Callable[..., Any]) -> Callable[..., Any]:
    """What accept and dismiss have in common."""
    options = (
        click.argument("target"),
        click.option("--reason", required=True, help="Why, for the audit log."),
        by_option,
        click.option("--live", is_flag=True, help="Say that live purchases are meant."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@review_group.command("accept")
@_decision
@with_appcontext
def accept_command(target: str, reason: str, by: str | None, live: bool) -> None:
    """Accept TARGET: a purchase in review, or a session's event in review.

    Stripe is asked what was paid, and the purchase counts as what Stripe says, contradictions
    and all; a currency that differs can't be accepted. An event's session becomes the session of
    the purchase that it names, if that is unpaid and the session fits it. Exit code 1 when it
    can't be, or when a receiver refused the credits (again).
    """
    _decide(reviews.accept, "accepted", target, reason, by, live)


@review_group.command("dismiss")
@_decision
@with_appcontext
def dismiss_command(target: str, reason: str, by: str | None, live: bool) -> None:
    """Dismiss TARGET: a purchase in review, an event in review, or an orphan.

    The credits that are posted for the purchase stay as they are, for good. Nothing is refunded:
    do that at Stripe.
    """
    _decide(reviews.dismiss, "dismissed", target, reason, by, live)


def _decide(
    decide: Callable[[AppState, str, Ruling], reviews.Outcome],
    word: str,
    target: str,
    reason: str,
    by: str | None,
    live: bool,
) -> None:
    try:
        state = current_state()
        click.echo(mode_and_site(state))
        check_live(state, writes=True, live=live)
        outcome = decide(state, target, Ruling(acting(by), reason))
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    if outcome.refusal is not None:
        click.echo(f"purchase {outcome.purchase_id} is in review: {outcome.refusal}", err=True)
        raise SystemExit(_REFUSED)
    click.echo(f"{target} {word}")
    if outcome.status is not None:
        posted = f"{outcome.posted} credits granted"
        click.echo(f"purchase {outcome.purchase_id}: {outcome.status}, {posted}")
