"""``flask credits packages edit|activate|deactivate``: change one package by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click
from flask.cli import with_appcontext

from ..catalog.changes import Change, Row
from ..catalog.editing import activate_package, deactivate_package, edit_package
from ..errors import InvalidPackage, StripeCreditsError
from ..money import Money
from ..state import AppState, current_state
from .actor import acting, by_option
from .mode import check_live_if_known, mode_if_known

# Option → column, for what is taken as it is given.
_COLUMNS = {
    "name": "package_name",
    "description": "description",
    "credits": "credits",
    "unit_amount": "unit_amount",
    "currency": "currency",
    "discount_percentage": "discount_percentage",
    "display_order": "display_order",
}


if TYPE_CHECKING:
    _Decimal = click.ParamType[Decimal]
else:  # Not generic before click 8.4.
    _Decimal = click.ParamType


class Amount(_Decimal):
    """An amount in major units: ``12.50``."""

    name = "amount"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Return the exact amount."""
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = Decimal("nan")
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is no amount like 12.50", param, ctx)
        return amount


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    """What all of these commands have."""
    options = (
        click.argument("code"),
        by_option,
        click.option("--live", is_flag=True, help="Say that live packages are meant."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command("edit")
@click.option("--name", help="Shown to buyers.")
@click.option("--description", help="Shown to buyers; empty for none.")
@click.option("--credits", type=int, help="How many whole credits it is.")
@click.option("--price", type=Amount(), help="The price in major units: 12.50.")
@click.option("--unit-amount", type=int, help="The price in whole minor units: 1250.")
@click.option("--currency", help="Three lower-case letters.")
@click.option("--discount-percentage", type=int, help="For display only: the price is final.")
@click.option("--display-order", type=int, help="Its place: smaller ones come first.")
@_common
@with_appcontext
def edit_command(
    code: str,
    price: Decimal | None,
    by: str | None,
    live: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Change what the package CODE says, and tell what it said before.

    Only what is given changes; the code itself can't. Checkouts that are open keep what they were
    opened with. Another price or currency takes the price at Stripe away until the next sync; until
    then the price is sent with each checkout. Safe to repeat.
    """
    wanted = {_COLUMNS[name]: value for name, value in options.items() if value is not None}
    if price is not None and "unit_amount" in wanted:
        raise click.UsageError("--price and --unit-amount say the same: give one of them")
    if not wanted and price is None:
        raise click.UsageError("say what to change, e.g. --price 12.50 or --name 'Big Pack'")

    def values(row: Row) -> Mapping[str, Any]:
        return wanted if price is None else wanted | _priced(price, {**row, **wanted})

    _run(lambda state, actor: edit_package(state, code, values, actor=actor), by, live, as_json)


def _priced(price: Decimal, package: Row) -> dict[str, Any]:
    """The price in minor units of the currency that the package will have."""
    try:
        return {"unit_amount": Money.from_major(price, package["currency"]).amount}
    except ValueError as error:
        raise InvalidPackage({"unit_amount": f"--price: {error}"}) from None


@click.command("activate")
@_common
@with_appcontext
def activate_command(code: str, by: str | None, live: bool, as_json: bool) -> None:
    """Put the package CODE on sale. Safe to repeat."""
    _run(lambda state, actor: activate_package(state, code, actor=actor), by, live, as_json)


@click.command("deactivate")
@_common
@with_appcontext
def deactivate_command(code: str, by: str | None, live: bool, as_json: bool) -> None:
    """Take the package CODE off sale. Checkouts that are open can still be paid. Safe to repeat."""
    _run(lambda state, actor: deactivate_package(state, code, actor=actor), by, live, as_json)


def _run(
    change: Callable[[AppState, str], Change], by: str | None, live: bool, as_json: bool
) -> None:
    try:
        state = current_state()
        if not as_json:
            click.echo(mode_if_known(state))
        check_live_if_known(state, writes=True, live=live)
        changed = change(state, acting(by))
    except StripeCreditsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(_as_json(changed) if as_json else _as_text(changed, live))


def _as_json(change: Change) -> str:
    return json.dumps(
        {
            "package_code": change.package_code,
            "result": change.kind,
            "before": {name: before for name, (before, _) in change.fields.items()},
            "after": {name: after for name, (_, after) in change.fields.items()},
        }
    )


def _as_text(change: Change, live: bool) -> str:
    lines = [f"{change.kind}: {change.package_code}"]
    lines += [
        f"  {name}: {_value(before)} -> {_value(after)}"
        for name, (before, after) in change.fields.items()
    ]
    if hint := _hint(change):
        lines.append(f"{hint}: run `flask credits sync --apply{' --live' if live else ''}`")
    return "\n".join(lines)


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if value is not None else "none"


def _hint(change: Change) -> str | None:
    """What is left to do at Stripe, if it has heard of the package."""
    if "stripe_price_id" in change.fields:
        return "the new price is sent with each checkout until Stripe has it"
    shown_at_stripe = {"package_name", "description", "is_active"}
    if change.fields.keys() & shown_at_stripe:
        return "Stripe's product follows with the next sync"
    return None
