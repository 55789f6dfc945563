"""``flask credits webhook create``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from flask.cli import with_appcontext

from ...config import WEBHOOK_SECRET
from ...errors import StripeCreditsError
from ...state import AppState
from ...stripe_objects import WebhookEndpoint
from ...webhook_endpoints import (
    Kind,
    Wanted,
    audit,
    compare,
    find,
    make,
    mend,
    remove,
    rival_of,
)
from ..actor import acting
from .env_file import EnvFile
from .handing_over import env_file, hand_over, mark, restart, write_env_option
from .target import aimed, changing, say, secret_state, told_plainly

_NOTHING_HANDED_OVER = 1

_WHAT_NOW = {
    "known": "its secret is configured: nothing to do",
    "missing": (
        "its secret was handed over before, isn't configured here, and Stripe doesn't tell it "
        f"again. Put it into {WEBHOOK_SECRET}; if it is lost, run `flask credits webhook rotate`"
    ),
    "lost": (
        "the run that made it ended before its secret was handed over, or was known to be. If "
        f"{WEBHOOK_SECRET} doesn't hold it, run `flask credits webhook rotate`"
    ),
    "untold": (
        "it wasn't made by this command. Stripe's Dashboard shows its secret: put that into "
        f"{WEBHOOK_SECRET}, or run `flask credits webhook rotate`"
    ),
}


@click.command("create")
@changing
@write_env_option
@with_appcontext
def create_command(url: str | None, by: str | None, live: bool, env_path: Path | None) -> None:
    """Make the endpoint, with exactly the events that are handled, and hand over its secret.

    Only the secret goes to the standard output, so that it can be piped into a vault. Safe to
    repeat: an endpoint with this address is found, what it lacks is mended, and what to do about
    its secret is said; exit code 1 if that isn't known to be configured.
    """
    with told_plainly():
        state, wanted = aimed(url, live=live)
        actor, file = acting(by), env_file(env_path)
        found = find(state, wanted)
        if found:
            _tell_existing(state, found, wanted, file, actor)
        else:
            _make(state, wanted, file, actor)


def _make(state: AppState, wanted: Wanted, file: EnvFile | None, actor: str) -> None:
    endpoint, secret = make(state, wanted)
    if (rival := rival_of(state, wanted, endpoint, [])) is not None:
        remove(state, endpoint)
        say(f"another run made {rival.id} at the same moment: deleted {endpoint.id} again")
        _tell_existing(state, [rival], wanted, file, actor)
        return
    say(f"made {endpoint.id} for {wanted.url}: {len(wanted.events)} types of events")
    as_asked = hand_over(secret, file)
    mark(state, endpoint, secret)
    say_unless_audited(state, "created", endpoint, actor)
    if file is None:
        say(f"The secret is on stdout, once: put it into {WEBHOOK_SECRET}.")
    say(f"{restart(file)} the secret; then run `flask credits webhook test`.")
    if not as_asked:
        raise SystemExit(_NOTHING_HANDED_OVER)


def _tell_existing(
    state: AppState,
    found: Sequence[WebhookEndpoint],
    wanted: Wanted,
    file: EnvFile | None,
    actor: str,
) -> None:
    newest = found[0]
    for done in mend(state, newest, wanted):
        say(f"{newest.id}: {done}")
        say_unless_audited(state, "mended", newest, actor)
    for difference in compare(newest, wanted):
        if difference.kind is Kind.API_VERSION:
            say(
                f"{newest.id}: {difference.message}, and Stripe can't change it: "
                "`flask credits webhook rotate` makes another endpoint"
            )
    if len(found) > 1:
        say(
            f"{len(found)} endpoints have this address: every event comes {len(found)} times, "
            "which is harmless. `flask credits webhook rotate --finish` ends a rotation"
        )
    secrets = [*state.settings.webhook_secrets, *(file.secrets if file else ())]
    known = secret_state(newest, secrets)
    say(f"{newest.id} has this address already: {_WHAT_NOW[known]}")
    if known != "known":
        raise SystemExit(_NOTHING_HANDED_OVER)


def say_unless_audited(state: AppState, action: str, endpoint: WebhookEndpoint, actor: str) -> None:
    """Write an act into the audit log; say if that can't be."""
    try:
        audit(state, action, endpoint, actor=actor)
    except StripeCreditsError as error:
        # The act is done; an endpoint may be needed before there are tables.
        say(f"The audit log couldn't be written: {error}")
