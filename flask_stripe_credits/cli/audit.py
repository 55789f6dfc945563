"""``flask credits audit``: are all invariants true?"""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from ..audit import Audit
from ..errors import StripeCreditsError
from ..invariants import Breach
from ..state import current_state
from .mode import mode_if_known

_BREACH = 1


class CantLook(click.ClickException):
    """Told apart from a breach, for whoever reads only the exit code."""

    exit_code = 2


@click.command("audit")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; the last one sums up."
)
@with_appcontext
def audit_command(as_json: bool) -> None:
    """Check that every credit is explained by a payment, over the whole database.

    Reads only, and asks nobody but the database. Names each breach with its purchase, the
    numbers and what to do. Exit code 0 when there is none, 1 when there is one, 2 when it
    couldn't look.
    """
    try:
        state = current_state()
        audit = Audit(state)
        if not as_json:
            click.echo(mode_if_known(state))
        for breach in audit.breaches():
            click.echo(_as_json(breach) if as_json else _as_text(breach))
    except StripeCreditsError as error:
        raise CantLook(str(error)) from None
    click.echo(_summary_as_json(audit) if as_json else _summary(audit))
    if audit.found:
        raise SystemExit(_BREACH)


def _as_text(breach: Breach) -> str:
    return f"BREACH {breach}\n  what to do: {breach.what_to_do}"


def _as_json(breach: Breach) -> str:
    return json.dumps(asdict(breach) | {"what_to_do": breach.what_to_do})


def _summary(audit: Audit) -> str:
    lines = [
        f"{audit.purchases} purchases, {audit.grants} grants: {audit.due} credits due, "
        f"{audit.posted} posted, {audit.found} breaches"
    ]
    lines += [f"waiting: {name}: {count}" for name, count in audit.waiting.items() if count]
    return "\n".join(lines)


def _summary_as_json(audit: Audit) -> str:
    return json.dumps(
        {
            "purchases": audit.purchases,
            "grants": audit.grants,
            "credits_due": audit.due,
            "credits_posted": audit.posted,
            "breaches": audit.found,
            "waiting": audit.waiting,
        }
    )
