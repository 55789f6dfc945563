"""``flask credits webhook test``"""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from ...state import current_state
from ...webhooks.probe import TIMEOUT_SECONDS, probe
from ..mode import mode_and_site
from .target import address, told_plainly, url_option

_NOT_ACCEPTED = 1


@click.command("test")
@url_option
@click.option(
    "--timeout",
    default=TIMEOUT_SECONDS,
    show_default=True,
    type=click.FloatRange(0.1, 60),
    help="How many seconds to wait for the app.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_appcontext
def test_command(url: str | None, timeout: float, as_json: bool) -> None:
    """Deliver a signed test event to the running app, once with each configured secret.

    Its type is none of Stripe's: the webhook answers `ignored`, and nothing is written. Says what
    came back and what that means; exit code 1 unless every secret was accepted.
    """
    with told_plainly():
        state = current_state()
        livemode = state.settings.require_livemode()
        secrets = state.settings.require_webhook_secrets()
        chosen = address(state, url, plain=True)
        if not as_json:
            click.echo(f"{mode_and_site(state)}; to {chosen}")
        accepted = True
        for secret in secrets:
            answer = probe(chosen, secret, livemode=livemode, timeout_seconds=timeout)
            accepted = accepted and answer.accepted
            if as_json:
                click.echo(json.dumps({"secret": f"…{secret.last4}", **asdict(answer)}))
                continue
            click.echo(
                f"{'ok' if answer.accepted else 'FAILED'}  secret …{secret.last4}  "
                f"{answer.status or 'no answer'} {answer.verdict or ''}  "
                f"{1000 * answer.seconds:.0f} ms: {answer.meaning}"
            )
    if not accepted:
        raise SystemExit(_NOT_ACCEPTED)
