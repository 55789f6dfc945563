"""Find purchases, read one's story, and take all of them home as CSV."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, cast

import sqlalchemy as sa
from flask import Response, stream_with_context
from werkzeug.exceptions import NotFound

from ...facts import Row
from ...money import Money
from ...purchase_search import COLUMNS, PurchaseFilter, search_purchases
from ...purchase_states import state_of_purchase
from ...reading import ROWS_AT_A_TIME, reading
from ...spreadsheets import csv_lines
from ...state import AppState
from ...stripe_objects import parse_uuid
from ...timeline import timeline_of
from ..json_exchange import json_answer, link_to_next, query_of
from ..writers import compile_writer
from . import schemas

_filter = schemas.PurchaseFilterSchema()
_query = schemas.PurchasesQuerySchema()
_write = compile_writer(schemas.AdminPurchaseSchema, {})
_detail = schemas.AdminPurchaseDetailSchema()

_CSV_HEADER = (
    *("id", "created_at", "paid_at", "completed_at", "status", "user_id"),
    *("package_code", "package_name", "credits", "credits_revoked"),
    *("currency", "price", "paid", "refunded", "livemode", "review_reason"),
    *("stripe_checkout_session_id", "stripe_payment_intent_id"),
)
# Few enough for a request's memory, enough that a million rows take a thousand statements.
_LINES_AT_A_TIME = 200


def list_purchases(state: AppState, actor: str) -> Response:
    """All purchases that fit the filters, newest first."""
    query = query_of(_query)
    limit, after = query.pop("limit"), query.pop("after")
    wanted = PurchaseFilter(**query)
    with reading(state) as connection:
        rows, more = search_purchases(connection, state.models, wanted, limit=limit, after=after)
    response = json_answer(_write(rows))
    if more:
        asked = {name: _asked(value) for name, value in query.items()}
        link_to_next(response, {**asked, "limit": limit, "after": str(rows[-1]["id"])})
    return response


def show_purchase(state: AppState, actor: str, purchase_id: str) -> Response:
    """One purchase with all that happened to it. Stripe isn't asked."""
    purchases = state.models.table(state.models.Purchase)
    key = parse_uuid(purchase_id)
    if key is None:
        raise NotFound
    with reading(state) as connection:
        query = sa.select(purchases).where(purchases.c.id == key)
        row = cast(Row | None, connection.execute(query).mappings().first())
        if row is None:
            raise NotFound
        entries = timeline_of(connection, state.models, key)
    undelivered = sum({"grant": 1, "delivery": -1}.get(entry.kind, 0) for entry in entries)
    told = state_of_purchase(row, undelivered=undelivered)
    shown = {name: row[name] for name in COLUMNS}
    story = {"meaning": told.meaning, "next": told.next, "timeline": entries}
    return json_answer(_detail.dump(shown | story))


def export_purchases(state: AppState, actor: str) -> Response:
    """All purchases that fit the filters as CSV, newest first. Money is in major units.

    Read and sent a page at a time: memory doesn't grow with the number of purchases.
    """
    wanted = PurchaseFilter(**query_of(_filter))
    pages = _pages(state, wanted)
    # What can't be read is still an error of its own now, and not a file that breaks off.
    first = next(pages)
    rows = (_csv_row(row) for page in itertools.chain([first], pages) for row in page)
    response = Response(
        stream_with_context(_chunks(csv_lines(_CSV_HEADER, rows))),
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
    def money(column: str) -> Any:
        return None if row[column] is None else Money(row[column], row["currency"]).major

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


def _asked(value: Any) -> str:
    return value if isinstance(value, str) else value.isoformat()
