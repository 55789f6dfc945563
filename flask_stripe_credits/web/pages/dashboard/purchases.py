"""All purchases, by filters, page by page; and the same as a file."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from flask import render_template, request

from ....errors import InvalidFilter
from ....facts import PurchaseStatus
from ....purchase_search import PurchaseFilter, search_purchases
from ....reading import reading
from ....state import current_state
from ....stripe_objects import parse_uuid
from . import words
from .packages import package_names
from .selection import Selection, read_selection

_ROWS_OF_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the reader filters by, as the form shows it again."""

    selection: Selection
    status: str
    words: str
    problem: str | None

    @property
    def query(self) -> dict[str, str]:
        """The parameters of a link to the same purchases."""
        chosen = {"status": self.status, "q": self.words}
        return self.selection.query() | {name: value for name, value in chosen.items() if value}

    @property
    def filter(self) -> PurchaseFilter:
        return PurchaseFilter(
            status=self.status or None,
            package_code=self.selection.package_code,
            since=self.selection.since,
            until=self.selection.until,
            text=self.words or None,
        )


def read_wanted() -> Wanted:
    """Read the form of this request. What can't be is passed over and said so."""
    args = request.args if "range" in request.args else request.args | {"range": "all"}
    selection = read_selection(args, dt.datetime.now(dt.UTC).date())
    status, searched = args.get("status", ""), args.get("q", "").strip()
    wanted = Wanted(selection, status, searched, selection.problem)
    try:
        _ = wanted.filter
    except InvalidFilter as error:
        return Wanted(selection, "", "", str(error))
    return wanted


def purchases(actor: str) -> str:
    """A page of purchases, newest first."""
    wanted, state = read_wanted(), current_state()
    after = parse_uuid(request.args.get("after", ""))
    with reading(state) as connection:
        rows, more = search_purchases(
            connection, state.models, wanted.filter, limit=_ROWS_OF_A_PAGE, after=after
        )
        packages = package_names(connection, state.models)
    return render_template(
        "flask_stripe_credits/dashboard/purchases.html",
        wanted=wanted,
        rows=rows,
        is_first=after is None,
        next_query=wanted.query | {"after": str(rows[-1]["id"])} if more else None,
        packages=packages,
        statuses=[(str(status), words.status_word(status)) for status in PurchaseStatus],
        words=words,
    )
