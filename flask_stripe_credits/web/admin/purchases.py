"""Find purchases, read one's story, and take all of them home as CSV."""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa
from flask import Response
from werkzeug.exceptions import NotFound

from ...facts import Row
from ...purchase_search import COLUMNS, PurchaseFilter, search_purchases
from ...purchase_states import state_of_purchase
from ...reading import reading
from ...state import AppState
from ...stripe_objects import parse_uuid
from ...timeline import timeline_of, undelivered_of
from ..json_exchange import json_answer, link_to_next, query_of
from ..purchase_export import csv_of_purchases
from ..writers import compile_writer
from . import schemas

_filter = schemas.PurchaseFilterSchema()
_query = schemas.PurchasesQuerySchema()
_write = compile_writer(schemas.AdminPurchaseSchema, {})
_detail = schemas.AdminPurchaseDetailSchema()


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
    told = state_of_purchase(row, undelivered=undelivered_of(entries))
    shown = {name: row[name] for name in COLUMNS}
    story = {"meaning": told.meaning, "next": told.next, "timeline": entries}
    return json_answer(_detail.dump(shown | story))


def export_purchases(state: AppState, actor: str) -> Response:
    """All purchases that fit the filters as CSV, newest first. Money is in major units."""
    return csv_of_purchases(state, PurchaseFilter(**query_of(_filter)))


def _asked(value: Any) -> str:
    return value if isinstance(value, str) else value.isoformat()
