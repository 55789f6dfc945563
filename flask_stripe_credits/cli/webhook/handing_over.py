"""Hand a signing secret over: the one thing that is ever printed of it, and only once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from ...config import WEBHOOK_SECRET
from ...credentials import Secret
from ...errors import GatewayError
from ...state import AppState
from ...stripe_objects import WebhookEndpoint
from ...webhook_endpoints import note_handed_over
from .env_file import EnvFile
from .target import say

write_env_option: Final = click.option(
    "--write-env",
    "env_path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Write the secret as {WEBHOOK_SECRET} into this file, readable by its owner only, "
    "instead of to the standard output. Its other lines are kept.",
)


def env_file(path: Path | None) -> EnvFile | None:
    """Return the file to write to, checked before Stripe is asked.

    :raises click.ClickException: when it can't be used.
    """
    return None if path is None else EnvFile(path)


def hand_over(secret: Secret, file: EnvFile | None, others: Sequence[Secret] = ()) -> bool:
    """Write the secret into the file, or to the standard output; return whether as asked.

    :param others: secrets that stay valid, and go into the file after it.
    """
    if file is None:
        _print(secret)
        return True
    try:
        # Somebody may have written to it while Stripe was asked.
        file = EnvFile(file.path)
        tightened = file.is_open_to_others
        file.write([secret, *others, *file.secrets])
    except (OSError, click.ClickException) as error:
        # Stripe won't tell it again.
        say(f"Error: {file.path} can't be written ({error}). The secret is on stdout.")
        _print(secret)
        return False
    said = " (now readable by its owner only)" if tightened else ""
    say(f"wrote {WEBHOOK_SECRET} into {file.path}{said}")
    return True


def restart(file: EnvFile | None) -> str:
    """Tell how the app comes to read what was handed over."""
    return f"Restart the app{file.how_to_start_with_it if file else ''}, so that it reads"


def mark(state: AppState, endpoint: WebhookEndpoint, secret: Secret) -> None:
    """Note at Stripe that the secret was handed over; say if that can't be."""
    try:
        note_handed_over(state, endpoint, secret)
    except GatewayError as error:
        say(
            f"{error}: the endpoint couldn't be marked, so that it will be told as one whose "
            "secret is lost. The secret is valid all the same."
        )


def _print(secret: Secret) -> None:
    click.echo(secret.reveal())
    # Only what has left this process was handed over.
    sys.stdout.flush()
