"""What buyers ask. Thin: who asks, what is valid, one call below, one schema out."""

from __future__ import annotations

import hashlib
import re

from flask import Response, request
from werkzeug.exceptions import BadRequest

from ..catalog import active_packages
from ..checkout import CheckoutRequest, open_checkout
from ..history import purchases_of
from ..redirects import resolve_redirect
from ..state import current_state
from . import schemas
from .identity import current_user_id
from .json_exchange import json_answer, json_request, link_to_next, query_of
from .openapi import openapi_document
from .own_purchases import settled_purchase
from .writers import compile_writer

LARGEST_PURCHASE_REQUEST = 4_096

_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}\Z")

_write_packages = compile_writer(schemas.PackageSchema, schemas.PACKAGE_FIELDS)
_purchase_request = schemas.PurchaseRequestSchema()
_checkout = schemas.CheckoutSchema()
_history_query = schemas.HistoryQuerySchema()
_write_history = compile_writer(schemas.HistoryItemSchema, schemas.HISTORY_FIELDS)
_write_detail = compile_writer(schemas.PurchaseDetailSchema, schemas.HISTORY_FIELDS)


def packages() -> Response:
    """The active packages, in display order."""
    state = current_state()
    if not state.settings.public_packages:
        current_user_id(state)
    rows = active_packages(state.db.session(), state.models)
    response = json_answer(_write_packages(rows))
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    if "If-None-Match" in request.headers:
        response.make_conditional(request)
    return response


def purchase() -> Response:
    """Open a checkout for the signed-in user."""
    state = current_state()
    user_id = current_user_id(state)
    body = _purchase_request.load(json_request(state.settings, LARGEST_PURCHASE_REQUEST))
    settings = state.settings
    opened = open_checkout(
        state,
        CheckoutRequest(
            user_id=user_id,
            package_code=body["package_code"],
            success_url=resolve_redirect(
                "success_url", body.get("success_url"), settings.success_url, settings
            ),
            cancel_url=resolve_redirect(
                "cancel_url", body.get("cancel_url"), settings.cancel_url, settings
            ),
            idempotency_key=_idempotency_key(),
        ),
    )
    answer = {
        "checkout_url": opened.purchase.checkout_url,
        "session_id": opened.purchase.stripe_checkout_session_id,
        "purchase_id": opened.purchase.id,
        "status": opened.purchase.status,
        "expires_at": opened.purchase.expires_at,
    }
    return json_answer(_checkout.dump(answer), status=201 if opened.created else 200)


def history() -> Response:
    """The signed-in user's purchases, newest first."""
    state = current_state()
    user_id = current_user_id(state)
    query = query_of(_history_query)
    rows, more = purchases_of(state.db.session(), state.models, user_id, **query)
    response = json_answer(_write_history(rows))
    if more:
        link_to_next(response, {"limit": query["limit"], "after": str(rows[-1]["id"])})
    return response


def purchase_detail(purchase_id: str) -> Response:
    """One purchase of the signed-in user's; asks Stripe while it isn't settled."""
    state = current_state()
    user_id = current_user_id(state)
    purchase = settled_purchase(state, user_id, purchase_id)
    row = purchase.row
    open_now = row["status"] == "pending"
    shown = {
        **row,
        "checkout_url": row["checkout_url"] if open_now else None,
        "expires_at": row["expires_at"] if open_now else None,
        "delivered": purchase.posted.is_delivered,
    }
    (written,) = _write_detail([shown])
    return json_answer(written)


def openapi() -> Response:
    """This API, described in OpenAPI 3.1."""
    prefix = request.script_root + current_state().settings.url_prefix
    return json_answer(openapi_document(prefix))


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _IDEMPOTENCY_KEY.match(key):
        raise BadRequest("Idempotency-Key must be 1 to 255 printable ASCII characters")
    return key
