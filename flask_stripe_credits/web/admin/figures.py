"""The figures of a period."""

from __future__ import annotations

from flask import Response

from ...reading import reading
from ...reports import Period, figures
from ...state import AppState
from ..figures_schema import figures_document
from ..json_exchange import json_answer, query_of
from . import schemas

_query = schemas.FiguresQuerySchema()


def show_figures(state: AppState, actor: str) -> Response:
    """The same figures as on the dashboard and of ``flask credits stats``."""
    query = query_of(_query)
    period = Period(query["since"], query["until"])
    with reading(state) as connection:
        found = figures(
            connection, state.models, period, query["package_code"], bucket=query["bucket"]
        )
    return json_answer(figures_document(found))
