"""``flask credits demo-data``: a year of made-up purchases, for looking at."""

from __future__ import annotations

import datetime as dt

import click
from flask.cli import with_appcontext

from ..demo_data import LARGEST_SEED, make_demo_data, purge_demo_data
from ..errors import StripeCreditsError
from ..state import AppState, current_state
from .mode import mode_and_site

_TELL_EVERY = 50_000


@click.command("demo-data")
@click.option(
    "--purchases",
    type=click.IntRange(1, 10_000_000),
    default=1_000,
    show_default=True,
    help="How many.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=1,
    show_default=True,
    help="The same seed, catalogue and --until give the same data.",
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When the year ends, in UTC; default: now.",
)
@click.option("--purge", is_flag=True, help="Remove all demo data instead.")
@with_appcontext
def demo_data_command(purchases: int, seed: int, until: dt.datetime | None, purge: bool) -> None:
    """Fill an empty database with a year of made-up purchases; the sandbox's only.

    Dashboards, figures and exports have something to show then. No receiver is called: the
    grants count as delivered, and your credit manager knows nothing of them. Stripe, or the
    sandbox, doesn't know them either. All or nothing: killed, it leaves nothing behind.
    """
    try:
        state = current_state()
        click.echo(mode_and_site(state))
        if purge:
            click.echo(f"{purge_demo_data(state):,} purchases removed, with all about them")
        else:
            _make(state, purchases, seed, until)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None


def _make(state: AppState, purchases: int, seed: int, until: dt.datetime | None) -> None:
    end = dt.datetime.now(dt.UTC) if until is None else until.replace(tzinfo=dt.UTC)

    def tell(done: int) -> None:
        if done % _TELL_EVERY == 0:
            click.echo(f"{done:,} of {purchases:,}", err=True)

    written = make_demo_data(state, purchases, seed, end, tell)
    click.echo(f"a year of purchases up to {end:%Y-%m-%d %H:%M} UTC, seed {seed}:")
    for table, count in written.items():
        click.echo(f"{count:>12,}  {table}")
