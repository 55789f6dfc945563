"""``flask credits webhook delete``"""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ...state import AppState
from ...stripe_objects import WebhookEndpoint
from ...webhook_endpoints import Wanted, ours, remove
from ..actor import acting
from .create import say_unless_audited
from .target import aimed, changing, say, told_plainly


@click.command("delete")
@click.argument("endpoint", required=False)
@changing
@click.option("--yes", is_flag=True, help="Delete it; without this nothing is done.")
@with_appcontext
def delete_command(
    endpoint: str | None, url: str | None, by: str | None, live: bool, yes: bool
) -> None:
    """Delete an endpoint: the one with the address, or ENDPOINT (we_…) if it is ours.

    Without an endpoint Stripe tells the app nothing. Safe to repeat.
    """
    with told_plainly():
        state, wanted = aimed(url, live=live)
        actor = acting(by)
        endpoints = state.gateway.list_webhook_endpoints()
        chosen = _chosen(state, endpoints, wanted, endpoint)
        if chosen is None:
            say(f"nothing to delete: Stripe has no {endpoint or 'endpoint for ' + wanted.url} here")
            return
        left = [one for one in ours(endpoints, wanted.url) if one.id != chosen.id]
        lost = _what_is_lost(chosen, left)
        if not yes:
            raise click.ClickException(f"{lost}. Add --yes if that is meant")
        remove(state, chosen)
        say(f"deleted {chosen.id}: {lost}")
        say_unless_audited(state, "deleted", chosen, actor)


def _chosen(
    state: AppState, endpoints: list[WebhookEndpoint], wanted: Wanted, endpoint_id: str | None
) -> WebhookEndpoint | None:
    here = ours(endpoints, wanted.url)
    if endpoint_id is None:
        if len(here) > 1:
            shown = ", ".join(one.id for one in here)
            raise click.ClickException(f"say which one: {shown} have this address")
        return here[0] if here else None
    found = next((one for one in endpoints if one.id == endpoint_id), None)
    if found is not None and found not in here and found.site != state.settings.site:
        raise click.ClickException(
            f"{endpoint_id} sends to {found.url}, and isn't this app's: delete it in the Dashboard"
        )
    return found


def _what_is_lost(chosen: WebhookEndpoint, left: list[WebhookEndpoint]) -> str:
    if left:
        return f"{chosen.url} gets its events from {left[0].id} alone, and the secret is useless"
    return (
        f"nobody will tell {chosen.url} about payments: credits then only come when buyers return "
        "or `flask credits reconcile` runs, refunds and disputes only by the latter, and the "
        "secret is useless"
    )
