"""The purchases of a filter as a file, however many there are."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator

from flask import Response, stream_with_context

from ....facts import Row
from ....money import Money
from ....purchase_search import PurchaseFilter, search_purchases
from ....reading import ROWS_AT_A_TIME, reading
from ....spreadsheets import csv_lines
from ....state import AppState, current_state
from .purchases import read_wanted

_LINES_AT_A_TIME = 500
_COLUMNS = (
    "id status user_id package_code package_name amount_credits currency unit_amount amount_paid "
    "amount_refunded credits_revoked created_at paid_at completed_at stripe_checkout_session_id "
    "stripe_payment_intent_id"
).split()
_AMOUNTS = frozenset({"unit_amount", "amount_paid", "amount_refunded"})


def export(actor: str) -> Response:
    """All purchases of the filter, newest first, amounts in major units."""
    lines = csv_lines(_COLUMNS, _rows(current_state(), read_wanted().filter))
    name = f"purchases-{dt.datetime.now(dt.UTC):%Y-%m-%d}.csv"
    answer = Response(stream_with_context(_in_chunks(lines)), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _rows(state: AppState, wanted: PurchaseFilter) -> Iterator[list[object]]:
    """Read a page at a time; no transaction is open while the reader's network takes its time."""
    after: uuid.UUID | None = None
    more = True
    while more:
        with reading(state) as connection:
            rows, more = search_purchases(
                connection, state.models, wanted, limit=ROWS_AT_A_TIME, after=after
            )
        for row in rows:
            yield [_cell(row, name) for name in _COLUMNS]
        after = rows[-1]["id"] if rows else None


def _cell(row: Row, name: str) -> object:
    value = row[name]
    if name in _AMOUNTS and value is not None:
        return Money(value, row["currency"]).major
    return value


def _in_chunks(lines: Iterator[str]) -> Iterator[str]:
    """A few hundred lines at a time: a chunk each would be mostly frames."""
    chunk: list[str] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == _LINES_AT_A_TIME:
            yield "".join(chunk)
            chunk.clear()
    if chunk:
        yield "".join(chunk)
