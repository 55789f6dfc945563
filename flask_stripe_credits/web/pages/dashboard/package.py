"""The packages: what is for sale at which price; changed after a look at what changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from ....catalog.editing import edit_package
from ....errors import InvalidPackage
from ....facts import Row
from ....models import Models
from ....money import Money
from ....reading import reading
from ....state import current_state
from ..texts import text
from .messages import leave_message, take_message

_PRICE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?")
_CREDITS = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Edit:
    """What the form says.

    :ivar values: the columns that change, if nothing is wrong.
    :ivar problems: field → what is wrong with it.
    """

    price: str
    credits: str
    is_active: bool
    values: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


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
    if request.method == "POST" and edit.values and not edit.problems:
        try:
            edit_package(state, package_code, edit.values, actor=actor)
        except InvalidPackage as error:
            leave_message(text("Nothing was changed: %(reason)s.", reason=error), "bad")
        else:
            leave_message(text("%(name)s was changed.", name=row["package_name"]))
        return redirect(url_for("stripe_credits_pages.dashboard_packages"), 303)
    page = render_template(
        "flask_stripe_credits/dashboard/package.html",
        package=row,
        edit=edit,
        is_asked="price" in asked,
        after={**row, **edit.values},
        back=url_for("stripe_credits_pages.dashboard_packages"),
    )
    return page, 422 if edit.problems else 200


def _rows(connection: sa.Connection, models: Models) -> list[Row]:
    table = models.table(models.Package)
    query = sa.select(table).order_by(table.c.display_order, table.c.package_code)
    return cast(list[Row], connection.execute(query).mappings().all())


def _as_it_is(row: Row) -> Edit:
    price = Money(row["unit_amount"], row["currency"]).major
    return Edit(str(price), str(row["credits"]), row["is_active"])


def _read(row: Row, asked: Mapping[str, str]) -> Edit:
    price, credits = asked.get("price", "").strip(), asked.get("credits", "").strip()
    is_active = asked.get("is_active") == "yes"
    wanted: dict[str, Any] = {"is_active": is_active}
    problems = {}
    try:
        wanted["unit_amount"] = _minor(price, row["currency"])
    except ValueError:
        example = _as_it_is(row).price
        problems["price"] = text("Write the amount like this: %(example)s.", example=example)
    if _CREDITS.fullmatch(credits) and int(credits) > 0:
        wanted["credits"] = int(credits)
    else:
        problems["credits"] = text("Write a whole number of credits, one or more.")
    values = {name: value for name, value in wanted.items() if row[name] != value}
    return Edit(price, credits, is_active, {} if problems else values, problems)


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
