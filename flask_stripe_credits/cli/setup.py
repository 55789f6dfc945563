"""``flask credits setup``: everything between an app with its keys and the first sale."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import click
import sqlalchemy as sa
from flask.cli import with_appcontext

from ..catalog import all_packages
from ..doctor import CHECKS, Level, Patient, examine
from ..errors import StripeCreditsError, TablesOutOfDate
from ..logs import all_quiet_but
from ..reading import reading
from ..state import AppState, current_app_object, current_state
from ..unit_of_work import in_transaction
from .actor import acting, by_option
from .db import stamp, upgrade
from .dev.surroundings import what_differs
from .doctor import as_text
from .mode import check_live_if_known
from .packages import load
from .sync import sync_command
from .webhook.create import create_command
from .webhook.handing_over import write_env_option

_REFUSED = 1
SOMETHING_LEFT = 2
# The app isn't running yet, and what was just handed over is known to the next process only.
_NOT_YET = {"webhook_answer"}
_SECRET_IS_NEW = {"webhook_secret", "webhook_endpoint"}


@click.command("setup")
@click.option(
    "--packages",
    metavar="FILE",
    type=click.File("rb"),
    help="Load the packages of this file (TOML). Without it an empty catalogue gets the default "
    "one, in test mode.",
)
@click.option(
    "--url", help="The webhook's public address; default: made of STRIPE_CREDITS_BASE_URL."
)
@write_env_option
@by_option
@click.option("--live", is_flag=True, help="Say that the live account is meant.")
@click.option("--made-up-keys", is_flag=True, hidden=True)
@with_appcontext
@click.pass_context
def setup_command(
    ctx: click.Context,
    packages: BinaryIO | None,
    url: str | None,
    env_path: Path | None,
    by: str | None,
    live: bool,
    made_up_keys: bool,
) -> None:
    """Do all that a new installation needs, and say what is left to do.

    Runs the commands that it names, one after the other: the tables, the packages, Stripe's
    Products and Prices, and with --write-env the webhook endpoint; then it looks as the doctor
    does. Safe to repeat and to kill anywhere: what is done already is left as it is. Exit code 0
    when nothing is wrong, 1 when a step was refused, 2 when all was done and the doctor still
    finds an error.
    """
    run, flag = _Run(ctx), " --live" if live else ""
    before = _content(env_path)
    who: dict[str, Any] = {"by": by, "live": live}
    try:
        state, _ = current_state(), acting(by)
        if made_up_keys:
            _require_made_up_keys(state)
        check_live_if_known(state, writes=True, live=live)
        # Before the tables: a release that isn't deployed yet would migrate a shop's.
        _refuse_live_data(state)
        if run.step(*_tables(state)):
            if packages is not None:
                run.step(f"packages load {packages.name}{flag}", load, file=packages, **who)
            elif not live and not in_transaction(state, all_packages):
                run.step("packages load", load, file=None, **who)
            prices = {"only_plan": False, "replace_ids": False, "as_json": False}
            run.step(f"sync --apply{flag}", sync_command, **prices, **who)
            if env_path is not None:
                told = f"webhook create --write-env {env_path}{flag}"
                run.step(told, create_command, url=url, env_path=env_path, **who)
        new = env_path if _content(env_path) != before else None
        left = _what_is_left(state, new)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    if run.refused:
        raise SystemExit(_REFUSED)
    if left:
        raise SystemExit(SOMETHING_LEFT)


@dataclass
class _Run:
    """Runs commands of ours in this process, each under its own name."""

    ctx: click.Context
    refused: list[str] = field(default_factory=list)

    def step(self, name: str, command: click.Command, **arguments: Any) -> bool:
        """Run one, and return whether it worked; what kept it from working it says itself."""
        click.echo(f"$ flask credits {name}")
        try:
            self.ctx.invoke(command, **arguments)
        except click.ClickException as refused:
            refused.show()
        except SystemExit as ended:
            if not ended.code:
                return True
        else:
            return True
        self.refused.append(name)
        return False


def _tables(state: AppState) -> tuple[str, click.Command]:
    """The command for the tables; `db.create_all()`, as small apps call it, may have made them."""
    from ..revisions import Revisions

    if Revisions(state.db.engine, state.models).are_unmarked():
        return "db stamp", stamp
    return "db upgrade", upgrade


def _require_made_up_keys(state: AppState) -> None:
    """`flask credits dev` has made the keys up: no others may be in use, nor another Stripe."""
    for name in what_differs(state.settings):
        raise click.ClickException(
            f"app.config sets {name} itself, which goes before what `flask credits dev` says: have "
            "the app read it from the environment, or take it out for development"
        )


def _refuse_live_data(state: AppState) -> None:
    """Beside a stand-in for Stripe anybody buys for nothing: not in the database of a shop."""
    if state.settings.api_base is None:
        return
    c = state.models.table(state.models.Purchase).c
    try:
        with reading(state) as connection:
            found = connection.scalar(sa.select(c.id).where(c.livemode.is_(True)).limit(1))
    except TablesOutOfDate:
        # Without tables there is no purchase.
        return
    if found is not None:
        raise click.ClickException(
            "this database has purchases of live mode, and STRIPE_CREDITS_API_BASE names a "
            "stand-in for Stripe, where anybody buys for nothing: give the app another database"
        )


def _content(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError:
        # Not there yet, or unreadable, which the command that writes it says.
        return None


def _what_is_left(state: AppState, new: Path | None) -> bool:
    """Show what the doctor finds wrong; return whether there is an error among it.

    :param new: the file into which a secret was written just now.
    """
    not_yet = _NOT_YET | (_SECRET_IS_NEW if new else set())
    checks = [check for check in CHECKS if check.id not in not_yet]
    click.echo("$ flask credits doctor")
    worst = set()
    # What the checks provoke they say themselves.
    with all_quiet_but("doctor"):
        for line in examine(Patient(current_app_object(), state), checks):
            if line.finding.level in (Level.WARNING, Level.ERROR):
                worst.add(line.finding.level)
                click.echo(as_text(line))
    if not worst:
        once = f" once the app is started with what is in {new}" if new else ""
        click.echo(f"nothing is wrong{once}")
    return Level.ERROR in worst
