"""``flask credits db``: the revisions of our tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import sqlalchemy as sa
from flask.cli import AppGroup

from ..errors import StripeCreditsError
from ..state import current_state

if TYPE_CHECKING:
    from ..revisions import Revisions

db_group: AppGroup = AppGroup("db", help="Create and migrate the tables of flask-stripe-credits.")

# So that a relative revision like -1 isn't taken for an option.
_RELATIVE = {"ignore_unknown_options": True}


@contextlib.contextmanager
def _revisions() -> Iterator[Revisions]:
    # Alembic takes 0.1 s to import; only these commands need it.
    from ..revisions import Revisions

    try:
        state = current_state()
        yield Revisions(state.db.engine, state.models)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from error
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise click.ClickException(f"the database refused: {reason}") from error


@db_group.command(context_settings=_RELATIVE)
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the tables up to REVISION (default: the newest). Safe to repeat."""
    with _revisions() as revisions:
        applied = revisions.upgrade(revision)
        for line in applied:
            click.echo(f"Applied {line}")
        if not applied:
            click.echo("Nothing to do: the credit tables are at that revision already")


@db_group.command(context_settings=_RELATIVE)
@click.argument("revision", default="-1")
@click.option("--yes", is_flag=True, help="Drop tables even if they hold rows.")
def downgrade(revision: str, yes: bool) -> None:
    """Bring the tables down to REVISION (default: one revision)."""
    with _revisions() as revisions:
        change = revisions.downgrade(revision, lose_rows=yes)
        for line in change.undone:
            click.echo(f"Undid {line}")
        if change.dropped_tables:
            click.echo(f"Dropped {', '.join(change.dropped_tables)}")
        if not change.undone:
            click.echo("Nothing to do: the credit tables are at that revision already")


@db_group.command()
def current() -> None:
    """Show the revision that the database is at."""
    with _revisions() as revisions:
        found = revisions.current()
        click.echo(f"{found or 'none'} (the newest is {revisions.newest})")


@db_group.command()
def check() -> None:
    """Tell whether the tables are those of the models; exit with 1 if not."""
    with _revisions() as revisions:
        problems = revisions.problems()
        if problems:
            raise click.ClickException("\n".join(problems))
        click.echo(f"The credit tables are as they should be, at {revisions.newest}")


@db_group.command(context_settings=_RELATIVE)
@click.argument("revision", default="head")
def stamp(revision: str) -> None:
    """Write down that the tables are at REVISION (default: the newest), without touching them."""
    with _revisions() as revisions:
        click.echo(
            f"The credit tables are marked as being at {revisions.stamp(revision) or 'none'}"
        )
