"""The packages: what is for sale at which price; changed after a look at what changes.

What was shown travels with the form. Only what differs from it is changed, and nothing is if the
package isn't what was shown any more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from ....catalog.editing import edit_package
from ....errors import InvalidPackage
from ....facts import Row
from ....integers import LARGEST_INTEGER
from ....models import Models
from ....money import Money
from ....reading import reading
from ....state import AppState, current_state
from ..formats import money, number
from ..texts import text
from .messages import leave_message, take_message

_PRICE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?")
_CREDITS = re.compile(r"[0-9]{1,15}")
# Minor units, currency, credits, whether it is for sale.
_SHOWN = re.compile(r"([0-9]{1,16}) ([a-z]{3}) ([0-9]{1,16}) (yes|no)")
_CHOICES = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Edit:
    """What the form says.

    :ivar shown: the package as it was when the form was shown.
    :ivar values: the columns that are to change, if nothing is wrong.
    :ivar problems: field → what is wrong with it.
    """

    price: str
    credits: str
    is_active: bool
    shown: Row
    values: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown_as_written(self) -> str:
        """What goes through the browser: ``1000 usd 1000 yes``."""
        is_active = "yes" if self.shown["is_active"] else "no"
        amount, currency = self.shown["unit_amount"], self.shown["currency"]
        return f"{amount} {currency} {self.shown['credits']} {is_active}"


def packages(actor: str) -> str:
    """All packages, also those that aren't for sale."""
    state = current_state()
    with reading(state) as connection:
        rows = _rows(connection, state.models)
    return render_template(
        "flask_stripe_credits/dashboard/packages.html", rows=rows, message=take_message()
    )


def package(actor: str, package_code: str) -> ResponseReturnValue:
    """Show the form, then what would change, then change it."""
    state = current_state()
    with reading(state) as connection:
        row = next(
            (one for one in _rows(connection, state.models) if one["package_code"] == package_code),
            None,
        )
    if row is None:
        raise NotFound
    asked = request.form if request.method == "POST" else request.args
    edit = _read(row, asked) if "price" in asked else _as_it_is(row)
    status = 422 if edit.problems else 200
    if request.method == "POST" and edit.values:
        found = _change(state, row, edit, actor)
        if found is None:
            return redirect(url_for("stripe_credits_pages.dashboard_packages"), 303)
        row, status = found, 409
    meanwhile = [] if edit.problems else _meanwhile(edit.shown, row)
    if meanwhile:
        edit = _on_top_of(row, edit)
    page = render_template(
        "flask_stripe_credits/dashboard/package.html",
        package=row,
        edit=edit,
        is_asked="price" in asked,
        meanwhile=meanwhile,
        after={**row, **edit.values},
        back=url_for("stripe_credits_pages.dashboard_packages"),
    )
    return page, status


def _change(state: AppState, row: Row, edit: Edit, actor: str) -> Row | None:
    """Do it, and leave word of it. If the package isn't what was shown, return what it is."""
    found: list[Row] = []

    def values(locked: Row) -> Mapping[str, Any]:
        found[:] = [locked]
        return {} if _meanwhile(edit.shown, locked) else edit.values

    try:
        edit_package(state, row["package_code"], values, actor=actor)
    except InvalidPackage as error:
        leave_message(text("Nothing was changed: %(reason)s.", reason=error), "bad")
        return None
    if _meanwhile(edit.shown, found[0]):
        return found[0]
    leave_message(text("%(name)s was changed.", name=row["package_name"]))
    return None


def _rows(connection: sa.Connection, models: Models) -> list[Row]:
    table = models.table(models.Package)
    query = sa.select(table).order_by(table.c.display_order, table.c.package_code)
    return cast(list[Row], connection.execute(query).mappings().all())


def _as_it_is(row: Row) -> Edit:
    price = Money(row["unit_amount"], row["currency"]).major
    return Edit(str(price), str(row["credits"]), row["is_active"], row)


def _read(row: Row, asked: Mapping[str, str]) -> Edit:
    shown = _shown(row, asked)
    if shown is None:
        problem = text("The form doesn't say what it showed. This is how it is now: try again.")
        return replace(_as_it_is(row), problems={"shown": problem})
    price, credits = asked.get("price", "").strip(), asked.get("credits", "").strip()
    is_active = _CHOICES.get(asked.get("is_active", ""))
    wanted: dict[str, Any] = {"is_active": is_active}
    problems = {}
    if is_active is None:
        problems["is_active"] = text("Choose whether it is for sale.")
        is_active = shown["is_active"]
    try:
        wanted["unit_amount"] = _minor(price, shown["currency"])
    except ValueError:
        example = _as_it_is(shown).price
        problems["price"] = text("Write the amount like this: %(example)s.", example=example)
    if _CREDITS.fullmatch(credits) and int(credits) > 0:
        wanted["credits"] = int(credits)
    else:
        problems["credits"] = text("Write a whole number of credits, one or more.")
    values = {name: value for name, value in wanted.items() if shown[name] != value}
    return Edit(price, credits, is_active, shown, {} if problems else values, problems)


def _shown(row: Row, asked: Mapping[str, str]) -> Row | None:
    """What the form showed, None if it doesn't say so; a link to a change needn't."""
    written = asked.get("shown")
    if written is None and request.method != "POST":
        return row
    found = _SHOWN.fullmatch(written or "")
    if found is None:
        return None
    amount, credits = int(found[1]), int(found[3])
    if max(amount, credits) > LARGEST_INTEGER:
        return None
    return {
        "unit_amount": amount,
        "currency": found[2],
        "credits": credits,
        "is_active": found[4] == "yes",
    }


def _meanwhile(shown: Row, row: Row) -> list[str]:
    """What became of the package since it was shown, in sentences."""
    told = []
    if any(shown[name] != row[name] for name in ("unit_amount", "currency")):
        before, after = (money(one["unit_amount"], one["currency"]) for one in (shown, row))
        told.append(
            text(
                "The price was changed from %(before)s to %(after)s meanwhile.",
                before=before,
                after=after,
            )
        )
    if shown["credits"] != row["credits"]:
        told.append(
            text(
                "The credits were changed from %(before)s to %(after)s meanwhile.",
                before=number(shown["credits"]),
                after=number(row["credits"]),
            )
        )
    if shown["is_active"] != row["is_active"]:
        told.append(
            text("It was not for sale, and was put on sale meanwhile.")
            if row["is_active"]
            else text("It was for sale, and was taken off sale meanwhile.")
        )
    return told


def _on_top_of(row: Row, edit: Edit) -> Edit:
    """What the operator wanted changed, and nothing else, of the package as it is now."""
    values = {name: value for name, value in edit.values.items() if row[name] != value}
    if row["currency"] != edit.shown["currency"]:
        # It was meant in the other currency.
        values.pop("unit_amount", None)
    return replace(_as_it_is({**row, **values}), shown=row, values=values)


def _minor(written: str, currency: str) -> int:
    """The price in minor units.

    :raises ValueError: it isn't written so, or Stripe couldn't charge it.
    """
    if not _PRICE.fullmatch(written):
        raise ValueError(written)
    price = Money.from_major(Decimal(written), currency)
    if not price.fits:
        raise ValueError(written)
    return price.amount
