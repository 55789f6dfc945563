"""Edit the catalogue. The code names a package for ever; every change goes into the audit log."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa
from flask import Response

from ...catalog.changes import Change, Kind
from ...catalog.editing import (
    activate_package,
    create_package,
    deactivate_package,
    edit_package,
)
from ...facts import Row
from ...reading import reading
from ...state import AppState
from ..json_exchange import json_answer, json_request
from ..schemas import PACKAGE_FIELDS
from ..writers import compile_writer
from . import schemas

LARGEST_PACKAGE = 64 * 1024

_write = compile_writer(schemas.AdminPackageSchema, PACKAGE_FIELDS)
_nothing = schemas.NothingSchema()


def list_packages(state: AppState, actor: str) -> Response:
    """All packages, for sale or not, in display order."""
    c = state.models.table(state.models.Package).c
    query = sa.select(c.id.table).order_by(c.display_order, c.package_code)
    with reading(state) as connection:
        rows = connection.execute(query).mappings().all()
    return json_answer(_write(cast(list[Row], rows)))


def create(state: AppState, actor: str) -> Response:
    """Make a new package. The same again is the same package."""
    values = json_request(state.settings, LARGEST_PACKAGE)
    return _changed(state, create_package(state, values, actor=actor))


def update(state: AppState, actor: str, package_code: str) -> Response:
    """Change some fields of a package."""
    values = json_request(state.settings, LARGEST_PACKAGE)
    return _changed(state, edit_package(state, package_code, values, actor=actor))


def activate(state: AppState, actor: str, package_code: str) -> Response:
    """Put a package on sale."""
    _nothing.load(json_request(state.settings, LARGEST_PACKAGE))
    return _changed(state, activate_package(state, package_code, actor=actor))


def deactivate(state: AppState, actor: str, package_code: str) -> Response:
    """Take a package off sale. What is open already can still be paid."""
    _nothing.load(json_request(state.settings, LARGEST_PACKAGE))
    return _changed(state, deactivate_package(state, package_code, actor=actor))


def _changed(state: AppState, change: Change) -> Response:
    c = state.models.table(state.models.Package).c
    query = sa.select(c.id.table).where(c.package_code == change.package_code)
    with reading(state) as connection:
        rows = connection.execute(query).mappings().all()
    status = 201 if change.kind is Kind.CREATED else 200
    (package,) = _write(cast(list[Row], rows))
    return json_answer(package, status)
