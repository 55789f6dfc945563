"""``flask credits doctor``: what is wrong, and the command that mends it."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence

import click
from flask.cli import with_appcontext

from ..doctor import CHECKS, Level, Line, Patient, examine
from ..errors import StripeCreditsError
from ..logs import all_quiet_but
from ..state import AppState, current_app_object, current_state
from .tables import printable
from .webhook.target import address

_EXIT_CODES = {Level.ERROR: 1, Level.WARNING: 2}
_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red", Level.SKIPPED: "cyan"}
_LEVEL_WIDTH = max(map(len, Level))
_ID_WIDTH = max(len(check.id) for check in CHECKS)
_INDENT = " " * (_LEVEL_WIDTH + _ID_WIDTH + 4)


@click.command("doctor")
@click.option(
    "--url",
    help="The running app's webhook, as it is reached from here; default: made of "
    "STRIPE_CREDITS_BASE_URL.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; the last one sums up."
)
@with_appcontext
def doctor_command(url: str | None, as_json: bool) -> None:
    """Look for everything that can be wrong, and name the command that mends it.

    Changes nothing, neither here nor at Stripe. Lines that begin with $ are commands; run them
    from the top, and then the doctor again. What needs something that is broken is skipped. Exit
    code by the worst line: 0 when all is well, 2 for a warning, 1 for an error. Takes at most half
    a minute, and shows no secret but the last four characters of each.
    """
    try:
        state = current_state()
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    where = None if url is None else address(state, url, plain=True)
    if not as_json:
        click.echo(_introduction(state))
    patient = Patient(current_app_object(), state, where)
    tell = _as_json if as_json else as_text
    lines = []
    # What the checks provoke they say themselves.
    with all_quiet_but("doctor"):
        for line in examine(patient, CHECKS):
            lines.append(line)
            if as_json or line.finding.level is not Level.SKIPPED:
                click.echo(tell(line))
    counts = Counter(line.finding.level for line in lines)
    click.echo(_summary_as_json(counts) if as_json else _summary(lines, counts))
    for level, code in _EXIT_CODES.items():
        if counts[level]:
            raise SystemExit(code)


def _introduction(state: AppState) -> str:
    livemode = state.settings.livemode
    mode = "unknown mode" if livemode is None else "live mode" if livemode else "test mode"
    lines = [f"Stripe in {mode}, site {state.settings.site}. The doctor only looks."]
    if state.settings.problems:
        lines.append("What the app logged as CRITICAL when it started is explained here.")
    return "\n".join(lines)


def as_text(line: Line) -> str:
    """Return what people are shown of a finding."""
    finding, id = line.finding, line.check.id
    found = printable(finding.found)
    lines = _wrapped(f"{finding.level:<{_LEVEL_WIDTH}}  {id:<{_ID_WIDTH}}  {found}")
    coloured = click.style(finding.level, fg=_COLOURS[finding.level])
    lines = coloured + lines.removeprefix(finding.level)
    if finding.advice is not None:
        lines += "\n" + _wrapped(f"{_INDENT}{printable(finding.advice)}")
    if finding.command is not None:
        lines += f"\n{_INDENT}$ {printable(finding.command)}"
    return lines


def _wrapped(text: str) -> str:
    """Wrap for a terminal; what reads a file or a pipe is better off with whole lines."""
    if not sys.stdout.isatty():
        return text
    return textwrap.fill(
        text,
        max(shutil.get_terminal_size().columns, 2 * len(_INDENT)),
        subsequent_indent=_INDENT,
        drop_whitespace=True,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _as_json(line: Line) -> str:
    finding = line.finding
    return json.dumps(
        {
            "check": line.check.id,
            "title": line.check.title,
            "level": finding.level,
            "found": finding.found,
            "advice": finding.advice,
            "command": finding.command,
        }
    )


def _counts(counts: Counter[Level]) -> dict[str, int]:
    return {level: counts[level] for level in Level}


def _summary(lines: Sequence[Line], counts: Counter[Level]) -> str:
    """What was skipped, in a line for each reason, and how many of what."""
    skipped: dict[str, list[str]] = {}
    for line in lines:
        if line.finding.level is Level.SKIPPED:
            skipped.setdefault(line.finding.found, []).append(line.check.id)
    told = [f"{Level.SKIPPED}  {', '.join(ids)}: {why}" for why, ids in skipped.items()]
    told.append(", ".join(f"{count} {level}" for level, count in _counts(counts).items()))
    return "\n".join(map(_wrapped, told))


def _summary_as_json(counts: Counter[Level]) -> str:
    return json.dumps(_counts(counts))
