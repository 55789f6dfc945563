"""Who acts, for the audit log: ``--by``, or the user of the operating system."""

from __future__ import annotations

import getpass
from typing import Final

import click

from ..tables import LONGEST_ACTOR

by_option: Final = click.option(
    "--by", help="Who does it; default: the user of the operating system."
)


def acting(by: str | None) -> str:
    """Return who acts.

    :raises click.UsageError: no audit log could keep it, or the user of the operating system has
        no name.
    """
    if by is not None:
        if len(by) > LONGEST_ACTOR or not by.isprintable():
            wanted = f"at most {LONGEST_ACTOR} characters that can be printed"
            raise click.BadParameter(wanted, param_hint="--by")
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise click.UsageError("the user has no name here: say --by") from None
