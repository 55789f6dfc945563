"""``flask credits webhook rotate``: a new secret, by a second endpoint beside the first.

Stripe has no call that rolls a secret. While both endpoints are there, every event comes twice,
signed with one secret each; that moves no credit twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from flask.cli import with_appcontext

from ...config import WEBHOOK_SECRET
from ...credentials import Secret
from ...state import AppState
from ...stripe_objects import WebhookEndpoint
from ...webhook_endpoints import (
    Wanted,
    find,
    make,
    remove,
    rival_of,
    secret_of,
)
from ...webhooks.probe import probe
from ..actor import acting
from .create import say_unless_audited
from .env_file import EnvFile
from .handing_over import env_file, hand_over, mark, restart, write_env_option
from .target import aimed, changing, say, told_plainly

_NOT_AS_ASKED = 1


@click.command("rotate")
@changing
@write_env_option
@click.option("--finish", is_flag=True, help="End the rotation: delete the old endpoint.")
@click.option("--again", is_flag=True, help="The new secret was lost: make another one.")
@click.option("--yes", is_flag=True, help="With --finish: don't ask the running app first.")
@with_appcontext
def rotate_command(
    url: str | None,
    by: str | None,
    live: bool,
    env_path: Path | None,
    finish: bool,
    again: bool,
    yes: bool,
) -> None:
    """Give the webhook a new secret, in two steps between which both are valid.

    The first makes a second endpoint and hands over its secret as `create` does; --write-env
    writes both, the new one first. Restart the app, and run it again with --finish: that asks the
    running app whether it accepts the new secret, takes the old one out of the file and deletes
    the old endpoint. The old secret is valid until then. Safe to repeat after a crash anywhere.
    """
    if finish and again:
        raise click.UsageError("--finish ends a rotation and --again begins it anew: say one")
    with told_plainly():
        state, wanted = aimed(url, live=live)
        actor, file = acting(by), env_file(env_path)
        found = find(state, wanted)
        if not found:
            raise click.ClickException(
                f"there is no endpoint for {wanted.url} to rotate: "
                "run `flask credits webhook create`"
            )
        if finish:
            _finish(state, found, wanted, file, actor, unasked=yes)
        else:
            _begin(state, found, wanted, file, actor, again=again)


def _begin(
    state: AppState,
    found: Sequence[WebhookEndpoint],
    wanted: Wanted,
    file: EnvFile | None,
    actor: str,
    *,
    again: bool,
) -> None:
    if len(found) > 1:
        newest = _new_one(found)
        if newest.secret_fingerprint is not None and not again:
            say(
                f"a rotation is under way: the secret of {newest.id} was handed over already. "
                "When the app has it, run `flask credits webhook rotate --finish`; "
                "if it is lost, run `flask credits webhook rotate --again`"
            )
            return
        # Nobody has its secret, or nobody any more; the old endpoint still gets every event.
        remove(state, newest)
        say(f"deleted {newest.id}, the new endpoint of a rotation whose secret nobody has")
        say_unless_audited(state, "deleted", newest, actor)
        found = found[1:]
    old = found[0]
    endpoint, secret = make(state, wanted, more_events=old.enabled_events)
    if (rival := rival_of(state, wanted, endpoint, found)) is not None:
        remove(state, endpoint)
        raise click.ClickException(
            f"another run made {rival.id} at the same moment, and hands over its secret: deleted "
            f"{endpoint.id} again"
        )
    say(f"made {endpoint.id} for {wanted.url}, beside {old.id}")
    as_asked = hand_over(secret, file, state.settings.webhook_secrets)
    mark(state, endpoint, secret)
    say_unless_audited(state, "rotated", endpoint, actor)
    if file is None:
        say(
            f"The new secret is on stdout, once. Put NEW,OLD into {WEBHOOK_SECRET}: both are valid."
        )
    say(f"{restart(file)} them; then run `flask credits webhook rotate --finish`.")
    say(f"Until then the old endpoint {old.id} and its secret stay valid, and events come twice.")
    if not as_asked:
        raise SystemExit(_NOT_AS_ASKED)


def _new_one(found: Sequence[WebhookEndpoint]) -> WebhookEndpoint:
    """The endpoint that a rotation made.

    :raises click.ClickException: when no rotation made the newest.
    """
    newest = found[0]
    if newest.site is None:
        shown = " and ".join(one.id for one in found)
        raise click.ClickException(
            f"{shown} have this address, and {newest.id} wasn't made by this command: delete "
            "what isn't needed with `flask credits webhook delete ENDPOINT`"
        )
    return newest


def _finish(
    state: AppState,
    found: Sequence[WebhookEndpoint],
    wanted: Wanted,
    file: EnvFile | None,
    actor: str,
    *,
    unasked: bool,
) -> None:
    if len(found) == 1:
        say(f"nothing to finish: {found[0].id} is the only endpoint for {wanted.url}")
        return
    new = _new_one(found)
    old = found[1:]
    secrets = [*state.settings.webhook_secrets, *(file.secrets if file else ())]
    if not unasked:
        _check_accepted(secret_of(new, secrets), new, wanted)
    # The file first: once the old endpoint is gone, nobody could tell which secret was its.
    _take_out(old, new, file)
    for endpoint in old:
        remove(state, endpoint)
        say(f"deleted {endpoint.id}")
        say_unless_audited(state, "deleted", endpoint, actor)
    say(f"{new.id} is the only endpoint now. Take the old secret out of {WEBHOOK_SECRET}.")


def _check_accepted(secret: Secret | None, new: WebhookEndpoint, wanted: Wanted) -> None:
    """Prove that the running app accepts the new secret, before the old one's events end."""
    unless = "nothing was deleted; --yes deletes the old endpoint all the same"
    if secret is None:
        raise click.ClickException(
            f"{WEBHOOK_SECRET} doesn't hold the secret of {new.id} here, so that nobody can tell "
            f"whether the app has it (--write-env FILE reads it from there): {unless}"
        )
    answer = probe(wanted.url, secret, livemode=wanted.live)
    if not answer.accepted:
        raise click.ClickException(
            f"the running app doesn't accept the new secret: {answer.meaning} ({unless})"
        )
    say("the running app accepts the new secret")


def _take_out(old: Sequence[WebhookEndpoint], new: WebhookEndpoint, file: EnvFile | None) -> None:
    if file is None:
        return
    ended = {secret_of(one, file.secrets) for one in old}
    kept = [secret for secret in file.secrets if secret not in ended]
    if secret_of(new, kept) is None or len(kept) == len(file.secrets):
        say(f"{file.path} is left as it is: it holds no secret known to be an old endpoint's")
        return
    file.write(kept)
    say(f"took the old secret out of {file.path}")
