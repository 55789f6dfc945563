"""``flask credits purchases …``: find purchases, and see what became of one."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence

import click
from flask.cli import AppGroup, with_appcontext

from ..errors import InvalidFilter, StripeCreditsError
from ..facts import PurchaseStatus, Row
from ..money import Money
from ..purchase_search import COLUMNS, PurchaseFilter, find_purchase, search_purchases
from ..reading import reading
from ..state import AppState, current_state
from ..timeline import plain
from .mode import mode_if_known
from .moments import Since
from .stories import Story, read_story, story_as_json, story_as_text
from .tables import printable, table

_HEADING = ("CREATED", "PURCHASE", "USER", "PACKAGE", "CREDITS", "PRICE", "REFUNDED", "STATUS")
_NUMBERS = {4, 5, 6}

purchases_group: AppGroup = AppGroup(
    "purchases", help="Find purchases, and see what became of one."
)


@purchases_group.command("list")
@click.option(
    "--status", type=click.Choice([str(one) for one in PurchaseStatus]), help="Only these."
)
@click.option("--user", "user_id", metavar="ID", help="Only this user's.")
@click.option("--package", "package_code", metavar="CODE", help="Only of this package.")
@click.option("--since", type=Since(), help="Made then or later: 35d, 12h, a date or time.")
@click.option("--until", type=Since(future=True), help="Made before then.")
@click.option("--text", help="A part of the user's id or the package's name, or one of its ids.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@click.option("--after", type=click.UUID, metavar="PURCHASE", help="Go on after this one.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; the last one sums up."
)
@with_appcontext
def list_command(
    status: str | None,
    user_id: str | None,
    package_code: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    text: str | None,
    limit: int,
    after: uuid.UUID | None,
    as_json: bool,
) -> None:
    """List purchases, the newest first. Reads only, and asks nobody but the database."""
    try:
        state = current_state()
        wanted = PurchaseFilter(status, user_id, package_code, since, until, text)
        with reading(state) as connection:
            rows, more = search_purchases(
                connection, state.models, wanted, limit=limit, after=after
            )
    except InvalidFilter as error:
        raise click.UsageError(f"--{_option(error.field)}: {error}") from None
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    last = str(rows[-1]["id"]) if more else None
    if as_json:
        for row in rows:
            click.echo(json.dumps(plain(row, *COLUMNS)))
        click.echo(json.dumps({"purchases": len(rows), "after": last}))
        return
    click.echo(mode_if_known(state))
    click.echo(table(_HEADING, [_line(row) for row in rows], numbers=_NUMBERS) if rows else "none")
    if more:
        click.echo(f"there are more: add --after {last}")


def _option(field: str) -> str:
    return {"user_id": "user", "package_code": "package"}.get(field, field)


def _line(row: Row) -> Sequence[str]:
    refunded = str(_money(row, "amount_refunded")) if row["amount_refunded"] else ""
    paid = row["amount_paid"] is not None
    return (
        f"{row['created_at']:%Y-%m-%d %H:%M}",
        str(row["id"]),
        row["user_id"],
        row["package_code"],
        f"{row['amount_credits']:,}",
        str(_money(row, "amount_paid" if paid else "unit_amount")),
        refunded,
        row["status"],
    )


@purchases_group.command("show")
@click.argument("purchase")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object; amounts in minor units.")
@with_appcontext
def show_command(purchase: str, as_json: bool) -> None:
    """Show all that happened to PURCHASE, what its state means, and what can be done.

    PURCHASE is its id, or Stripe's of its checkout session, payment intent, refund or dispute,
    or of an event about it. Reads only, and asks nobody but the database. Exit code 1 when
    there is none.
    """
    try:
        state = current_state()
        shown = _read(state, purchase)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    if shown is None:
        raise click.ClickException(f"there is no purchase {_how_to_find(printable(purchase))}")
    if as_json:
        click.echo(json.dumps(story_as_json(shown), indent=2))
        return
    click.echo(mode_if_known(state))
    click.echo(story_as_text(shown))


def _how_to_find(reference: str) -> str:
    if reference.startswith("evt_"):
        return f"of event {reference}: `flask credits replay {reference}` does what it says"
    return (
        f"{reference}: `flask credits purchases list --text …` finds one by its user, "
        f"`flask credits reconcile` one that only Stripe knows"
    )


def _read(state: AppState, reference: str) -> Story | None:
    with reading(state) as connection:
        id = find_purchase(connection, state.models, reference)
        return None if id is None else read_story(connection, state.models, id)


def _money(row: Row, column: str) -> Money:
    return Money(row[column], row["currency"])
