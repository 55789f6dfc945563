"""``flask credits webhook list``"""

from __future__ import annotations

import json
from typing import Any

import click
from flask.cli import with_appcontext

from ...state import AppState, current_state
from ...stripe_objects import WebhookEndpoint
from ...webhook_endpoints import compare, ours, wanted_endpoint, webhook_url
from ...webhooks.handlers import HANDLERS
from ..mode import mode_and_site
from .target import address, secret_state, told_plainly, url_option


@click.command("list")
@url_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_appcontext
def list_command(url: str | None, as_json: bool) -> None:
    """Show all endpoints of the account in the key's mode, and what is wrong with ours.

    SECRET: known is configured here; missing was handed over and isn't; lost was never known to
    be handed over; untold belongs to an endpoint that somebody else made.
    """
    with told_plainly():
        state = current_state()
        if not as_json:
            click.echo(mode_and_site(state))
        chosen = address(state, url) if url else webhook_url(state.settings)
        endpoints = state.gateway.list_webhook_endpoints()
        found = [_described(state, one, chosen) for one in endpoints]
    if as_json:
        for one in found:
            click.echo(json.dumps(one))
        return
    for one in found:
        click.echo(_as_text(one))
    ours_count = sum(one["ours"] for one in found)
    click.echo(f"{len(found)} endpoints, {ours_count} of them for {chosen or 'no known address'}")


def _described(state: AppState, endpoint: WebhookEndpoint, url: str | None) -> dict[str, Any]:
    mine = url is not None and bool(ours([endpoint], url))
    differences = (
        compare(endpoint, wanted_endpoint(state.settings, url, HANDLERS)) if mine and url else []
    )
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "status": endpoint.status,
        "api_version": endpoint.api_version,
        "enabled_events": list(endpoint.enabled_events),
        "created_at": endpoint.created.isoformat() if endpoint.created else None,
        "site": endpoint.site,
        "ours": mine,
        "secret": secret_state(endpoint, state.settings.webhook_secrets),
        "differences": [difference.message for difference in differences],
    }


def _as_text(one: dict[str, Any]) -> str:
    head = (
        f"{one['id']}  {one['status']}  {one['api_version'] or 'default version'}  "
        f"{len(one['enabled_events'])} types of events  {one['url']}"
    )
    if not one["ours"]:
        return head
    return "\n  ".join([head, f"ours, secret {one['secret']}", *one["differences"]])
