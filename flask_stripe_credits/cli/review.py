"""``flask credits review …``: what doesn't fit waits for an operator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from .. import reviews
from ..errors import StripeCreditsError
from ..facts import Ruling
from ..reading import reading
from ..review_queue import Waiting, waiting, waiting_about
from ..state import AppState, current_state
from ..stripe_objects import parse_uuid
from .actor import acting, by_option
from .mode import check_live, mode_and_site, mode_if_known
from .stories import Story, read_story, story_as_json, story_as_text
from .tables import printable

_REFUSED = 1

review_group: AppGroup = AppGroup("review", help="Decide on what contradicts what was sold.")


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
        told = f"{count} to decide on; `flask credits review show ID` tells the story of each"
        click.echo(told if count else "nothing to decide on")


@review_group.command("show")
@click.argument("target")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object; amounts in minor units.")
@with_appcontext
def show_command(target: str, as_json: bool) -> None:
    """Show what waits under TARGET, a purchase's id or an event's, and the purchase's story.

    What to look at before it is decided: reads only, and asks nobody but the database. Exit code
    1 when nothing waits there.
    """
    try:
        state = current_state()
        found = waiting_about(state, target)
        story = _story_of(state, found)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    if not found:
        raise click.ClickException(
            f"nothing waits under {printable(target)}: `flask credits review list` shows what does"
        )
    if as_json:
        waits = {"waiting": [json.loads(_as_json(one)) for one in found]}
        told = {} if story is None else story_as_json(story)
        click.echo(json.dumps(waits | told, indent=2))
        return
    click.echo(mode_if_known(state))
    for one in found:
        click.echo(_as_text(one))
        click.echo("\n".join(_choices(one)))
    if story is not None:
        click.echo(f"\n{story_as_text(story)}")


def _story_of(state: AppState, found: Sequence[Waiting]) -> Story | None:
    """An orphan's purchase is missing, and an event may name none."""
    purchase_id = None if not found else parse_uuid(found[0].purchase_id)
    if purchase_id is None:
        return None
    with reading(state) as connection:
        return read_story(connection, state.models, purchase_id)


def _choices(one: Waiting) -> Iterator[str]:
    accept = f'`flask credits review accept {one.id} --reason "…"`'
    dismiss = f'`flask credits review dismiss {one.id} --reason "…"`'
    if one.kind == "purchase":
        yield f"  {accept} has it count as Stripe says"
        yield f"  {dismiss} leaves its credits as they are, for good"
        return
    if one.kind == "event":
        yield f"  {accept} takes the paid session of an attempt that was lost, if it fits"
    yield f"  {dismiss} leaves it without effect"


def _as_json(one: Waiting) -> str:
    return json.dumps(asdict(one) | {"since": one.since.isoformat()})


def _as_text(one: Waiting) -> str:
    about = f", purchase {one.purchase_id}" if one.kind != "purchase" else ""
    # An orphan's session is named where it is needed, in the command.
    at_stripe = f", {one.object_id}" if one.kind != "orphan" else ""
    lines = [printable(f"{one.kind} {one.id}{at_stripe}{about}: {one.reason}")]
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
        posted = f"{outcome.granted} credits granted"
        if outcome.undelivered:
            posted = f"{outcome.posted} credits posted, not delivered yet"
        click.echo(f"purchase {outcome.purchase_id}: {outcome.status}, {posted}")
    if outcome.undelivered:
        click.echo("  `flask credits deliver` hands them over")
    if outcome.never is not None:
        click.echo(f"  what was recorded and will never be handed over: {outcome.never:+,} credits")
