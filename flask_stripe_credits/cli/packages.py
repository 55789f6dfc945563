"""``flask credits packages``: what is for sale."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import click
from flask.cli import AppGroup

from ..catalog import all_packages
from ..catalog.changes import Change, Kind, Row
from ..catalog.file import default_catalog, format_packages, parse_packages
from ..catalog.packages import load_packages, spec_of
from ..errors import StripeCreditsError
from ..money import Money
from ..state import current_state
from ..unit_of_work import in_transaction
from .actor import acting, by_option
from .mode import check_live_if_known
from .package_edits import activate_command, deactivate_command, edit_command
from .tables import table

_SHOWN = (
    "package_code package_name description credits unit_amount currency discount_percentage "
    "is_active display_order stripe_product_id stripe_price_id"
).split()
_HEADING = ("CODE", "NAME", "CREDITS", "PRICE", "DISCOUNT", "FOR SALE", "STRIPE PRICE")

packages_group: AppGroup = AppGroup(
    "packages", help="Load, list, change and export what is for sale."
)
for _command in (edit_command, activate_command, deactivate_command):
    packages_group.add_command(_command)


@packages_group.command("load")
@click.argument("file", type=click.File("rb"), required=False)
@by_option
@click.option("--live", is_flag=True, help="Say that live packages are meant.")
def load(file: BinaryIO | None, by: str | None, live: bool) -> None:
    """Make the packages what FILE (TOML) says; without FILE, the default catalogue.

    Packages that FILE doesn't name are left alone. Safe to repeat. A mistake anywhere in FILE
    changes nothing.
    """
    try:
        state, actor = current_state(), acting(by)
        check_live_if_known(state, writes=True, live=live)
        specs = parse_packages(default_catalog() if file is None else file.read())
        loaded = in_transaction(state, lambda uow: load_packages(uow, specs, actor=actor))
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    for change in loaded.changes:
        click.echo(f"{change.kind:<9}  {change.package_code}{_told(change)}")
    if loaded.absent:
        click.echo(f"left alone, not in the file: {', '.join(loaded.absent)}")


def _told(change: Change) -> str:
    if change.kind is Kind.CREATED:
        new = {name: after for name, (_, after) in change.fields.items()}
        return f": {new['package_name']}, {new['credits']:,} credits for {_price(new)}"
    changes = [
        f"{name} {_value(before)} -> {_value(after)}"
        for name, (before, after) in change.fields.items()
    ]
    return ": " + ", ".join(changes) if changes else ""


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if value is not None else "none"


def _price(row: Mapping[str, Any]) -> str:
    return str(Money(row["unit_amount"], row["currency"]))


@packages_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, amounts in minor units.")
def list_packages(as_json: bool) -> None:
    """Show all packages, for sale or not."""
    rows = _all_packages()
    if as_json:
        shown = [{name: row[name] for name in _SHOWN} for row in rows]
        click.echo(json.dumps(shown, indent=2))
    elif rows:
        click.echo(table(_HEADING, [_line(row) for row in rows], numbers={2, 3, 4}))
    else:
        click.echo("there are no packages: run `flask credits packages load`")


def _line(row: Row) -> tuple[str, ...]:
    return (
        row["package_code"],
        row["package_name"],
        f"{row['credits']:,}",
        _price(row),
        f"{row['discount_percentage']}%",
        "yes" if row["is_active"] else "no",
        row["stripe_price_id"] or "not synced",
    )


@packages_group.command("export")
def export() -> None:
    """Write all packages as TOML that `load` reads back to the same."""
    content = format_packages(spec_of(row) for row in _all_packages())
    # TOML is UTF-8, whatever the terminal is.
    click.echo(content.encode(), nl=False)


def _all_packages() -> list[Row]:
    try:
        return in_transaction(current_state(), all_packages)
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
