"""Purchases as CSV, however many: for the admin API and the operator's pages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from flask import Response, stream_with_context

from ..facts import Row
from ..money import exponent
from ..purchase_search import PurchaseFilter, search_purchases
from ..reading import ROWS_AT_A_TIME, reading
from ..spreadsheets import csv_lines
from ..state import AppState

_HEADER = (
    *("id", "created_at", "paid_at", "completed_at", "status", "user_id"),
    *("package_code", "package_name", "credits", "credits_revoked"),
    *("currency", "price", "paid", "refunded", "livemode", "review_reason"),
    *("stripe_checkout_session_id", "stripe_payment_intent_id"),
)
# Few enough for a request's memory, enough that a million rows take a thousand statements.
_LINES_AT_A_TIME = 200


def csv_of_purchases(state: AppState, wanted: PurchaseFilter) -> Response:
    """All purchases that fit the filter as CSV, newest first. Money is in major units.

    Read and sent a page at a time: memory doesn't grow with the number of purchases.
    """
    pages = _pages(state, wanted)
    # What can't be read is still an error of its own now, and not a file that breaks off.
    first = next(pages)
    rows = (_csv_row(row) for page in itertools.chain([first], pages) for row in page)
    response = Response(
        stream_with_context(_chunks(csv_lines(_HEADER, rows))),
        content_type="text/csv; charset=utf-8; header=present",
    )
    response.headers["Content-Disposition"] = 'attachment; filename="purchases.csv"'
    return response


def _pages(state: AppState, wanted: PurchaseFilter) -> Iterator[Sequence[Row]]:
    """Yield the purchases a thousand at a time, with nothing held open in between."""
    after, more = None, True
    while more:
        with reading(state) as connection:
            page, more = search_purchases(
                connection, state.models, wanted, limit=ROWS_AT_A_TIME, after=after
            )
        yield page
        after = page[-1]["id"] if page else None


def _csv_row(row: Row) -> tuple[Any, ...]:
    places = exponent(row["currency"])

    def money(column: str) -> Decimal | None:
        amount = row[column]
        return None if amount is None else Decimal(amount).scaleb(-places)

    return (
        *(row[name] for name in ("id", "created_at", "paid_at", "completed_at", "status")),
        *(row[name] for name in ("user_id", "package_code", "package_name", "amount_credits")),
        *(row["credits_revoked"], row["currency"]),
        *(money("unit_amount"), money("amount_paid"), money("amount_refunded")),
        *(row["livemode"], row["review_reason"]),
        *(row["stripe_checkout_session_id"], row["stripe_payment_intent_id"]),
    )


def _chunks(lines: Iterator[str]) -> Iterator[str]:
    """A server writes each piece by itself: not one for every line."""
    while chunk := "".join(itertools.islice(lines, _LINES_AT_A_TIME)):
        yield chunk
