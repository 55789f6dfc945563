"""``flask credits sync``: the packages' products and prices at Stripe."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..catalog.sync import PackagePlan, apply_sync, plan_sync
from ..errors import GatewayError, StripeCreditsError
from ..state import AppState, current_state
from .mode import check_live, mode_and_site

_SOMETHING_TO_DO = 2


@click.command("sync")
@click.option(
    "--plan/--apply", "only_plan", default=True, help="Show what would be done, or do it."
)
@click.option("--live", is_flag=True, help="Say that live products and prices are meant.")
@with_appcontext
def sync_command(only_plan: bool, live: bool) -> None:
    """Give every package that is for sale a Product and a Price at Stripe.

    Without --apply it only tells what it would do: exit code 0 when all is in sync, 2 when
    something is to be done. What Stripe already has is adopted, never made twice. A package that
    isn't synced can be sold all the same. Safe to repeat.
    """
    try:
        state = current_state()
        click.echo(mode_and_site(state))
        check_live(state, writes=not only_plan, live=live)
        plans = plan_sync(state)
        if not plans:
            click.echo("there are no packages for sale: run `flask credits packages load`")
        for plan in plans:
            _sync(state, plan, only_plan)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    due = sum(bool(plan.steps) for plan in plans)
    if due and only_plan:
        click.echo(f"{due} to sync: run `flask credits sync --apply{' --live' if live else ''}`")
        raise SystemExit(_SOMETHING_TO_DO)


def _sync(state: AppState, plan: PackagePlan, only_plan: bool) -> None:
    code, steps = plan.package["package_code"], ", ".join(plan.steps)
    if steps and not only_plan:
        try:
            apply_sync(state, plan)
        except GatewayError as error:
            raise click.ClickException(f"{code}: {error}") from None
        steps += ": done"
    click.echo(f"{code}: {steps or 'in sync'}")
