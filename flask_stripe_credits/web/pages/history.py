"""What the user has bought: a page at a time, filtered, or all of it as CSV."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Response, render_template, request, stream_with_context

from ...balances import balance_of
from ...facts import PurchaseStatus, Row
from ...money import Money
from ...purchase_search import PurchaseFilter, search_purchases
from ...reading import ROWS_AT_A_TIME, reading
from ...spreadsheets import csv_lines
from ...state import AppState, current_state
from ...stripe_objects import parse_uuid
from . import formats
from .outcomes import label_of, status_labels
from .texts import text
from .visitors import visitor

ROWS_OF_A_PAGE = 20

_CSV_HEADER = (
    "created_at",
    "package",
    "credits",
    "credits_taken_back",
    "price",
    "paid",
    "refunded",
    "currency",
    "status",
    "id",
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The filter as the form shows it again, and what was wrong with it."""

    status: str
    since: str
    until: str
    problem: str | None
    found: PurchaseFilter

    @property
    def query(self) -> dict[str, str]:
        given = {"status": self.status, "since": self.since, "until": self.until}
        return {name: value for name, value in given.items() if value}


def history() -> str:
    """The user's purchases, newest first."""
    state, user_id = current_state(), visitor()
    wanted = _wanted(user_id)
    after = parse_uuid(request.args.get("after", ""))
    with reading(state) as connection:
        rows, more = search_purchases(
            connection, state.models, wanted.found, limit=ROWS_OF_A_PAGE, after=after
        )
    return render_template(
        "flask_stripe_credits/history.html",
        purchases=rows,
        label_of=label_of,
        labels=status_labels(),
        wanted=wanted,
        is_first_page=after is None,
        next_page={**wanted.query, "after": str(rows[-1]["id"])} if more else None,
        balance=balance_of(state, user_id),
    )


def history_csv() -> Response:
    """The same purchases in full, as CSV. Read and sent in pieces."""
    state, user_id = current_state(), visitor()
    lines = csv_lines(_CSV_HEADER, map(_csv_row, _every(state, _wanted(user_id).found)))
    return Response(
        stream_with_context(lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="purchases.csv"'},
    )


def _every(state: AppState, wanted: PurchaseFilter) -> Iterator[Row]:
    after: uuid.UUID | None = None
    more = True
    while more:
        with reading(state) as connection:
            rows, more = search_purchases(
                connection, state.models, wanted, limit=ROWS_AT_A_TIME, after=after
            )
        yield from rows
        after = rows[-1]["id"] if rows else None


def _csv_row(row: Row) -> tuple[Any, ...]:
    currency = row["currency"]

    def major(amount: int | None) -> str | None:
        return None if amount is None else f"{Money(amount, currency).major:f}"

    return (
        row["created_at"],
        row["package_name"],
        row["amount_credits"],
        row["credits_revoked"],
        major(row["unit_amount"]),
        major(row["amount_paid"]),
        major(row["amount_refunded"]),
        currency.upper(),
        row["status"],
        row["id"],
    )


def _wanted(user_id: str) -> _Wanted:
    """Read the filter. What can't be meant is left out and said."""
    status, since, until = (request.args.get(name, "") for name in ("status", "since", "until"))
    problem = None
    first, last = _date(since), _date(until)
    if (since and first is None) or (until and last is None):
        problem = text("Dates are written like 2026-01-31.")
    if status not in ("", *PurchaseStatus):
        status = ""
    begins = None if first is None else formats.day_begins(first)
    ends = None if last is None else formats.day_begins(last + dt.timedelta(days=1))
    if begins is not None and ends is not None and begins >= ends:
        problem, begins, ends = text("The first day is after the last one."), None, None
    found = PurchaseFilter(status=status or None, user_id=user_id, since=begins, until=ends)
    return _Wanted(status, since[:10], until[:10], problem, found)


def _date(written: str) -> dt.date | None:
    try:
        found = dt.date.fromisoformat(written)
    except ValueError:
        return None
    # Beyond, a day more or another time zone is no date any more.
    return found if 1970 <= found.year <= 9000 else None
