"""What a page reads: the packages, and fifty purchases. Ours beside views as one writes them.

Both are views of one app on the same tables and rows; the hand-written ones build dictionaries
from ORM objects and hand them to ``jsonify``.
"""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from typing import Any

import sqlalchemy as sa
from flask import Response, jsonify

from ..hosts import PREFIX, Host, make_host
from .databases import Databases
from .measuring import Contestant, Request

ITEMS = 50


def shop(databases: Databases) -> Host:
    """A host with the default packages and a buyer with a page of purchases."""
    host = make_host(databases.create(), watched=False)
    host.load_packages()
    _add_purchases(host)
    for name, view in (("packages", _packages_by_hand), ("history", _history_by_hand)):
        host.app.add_url_rule(f"/by-hand/{name}", name, functools.partial(view, host))
    return host


def packages(host: Host) -> list[Contestant]:
    return _pair(host, "packages")


def history(host: Host) -> list[Contestant]:
    return _pair(host, f"history?limit={ITEMS}")


def _pair(host: Host, path: str) -> list[Contestant]:
    """Ours and the hand-written one, once they have said the same."""
    addresses = {"ours": f"{PREFIX}/{path}", "reference": f"/by-hand/{path}"}
    answers = [host.client.get(address).json for address in addresses.values()]
    assert answers[0] and answers[0] == answers[1]
    return [
        Contestant(name, host.app, lambda count, to=address: [Request("GET", to)] * count)
        for name, address in addresses.items()
    ]


def _add_purchases(host: Host) -> None:
    now = dt.datetime.now(dt.UTC)
    rows = []
    for number in range(ITEMS):
        id, at = uuid.uuid4(), now - dt.timedelta(days=number)
        rows.append(
            {
                "id": id,
                "user_id": host.user,
                "package_code": "starter",
                "package_name": "Starter Pack",
                "amount_credits": 1000,
                "unit_amount": 1000,
                "currency": "usd",
                "stripe_checkout_session_id": f"cs_test_{id.hex}",
                "stripe_payment_intent_id": f"pi_{id.hex}",
                "checkout_params": {},
                "request_hash": "0" * 64,
                "livemode": False,
                "status": "completed",
                "amount_paid": 1000,
                "paid_at": at,
                "completed_at": at,
                "created_at": at,
                "updated_at": at,
            }
        )
    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.execute(sa.insert(host.credits.Purchase.__table__), rows)


def _utc(at: dt.datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _packages_by_hand(host: Host) -> Response:
    model: Any = host.credits.Package
    query = sa.select(model).where(model.is_active).order_by(model.display_order)
    return jsonify(
        [
            {
                "id": str(one.id),
                "package_code": one.package_code,
                "package_name": one.package_name,
                "description": one.description,
                "credits": one.credits,
                "price_usd": one.unit_amount / 100 if one.currency == "usd" else None,
                "unit_amount": one.unit_amount,
                "currency": one.currency,
                "discount_percentage": one.discount_percentage,
                "is_active": one.is_active,
                "stripe_price_id": one.stripe_price_id,
                "stripe_product_id": one.stripe_product_id,
            }
            for one in host.db.session.scalars(query)
        ]
    )


def _history_by_hand(host: Host) -> Response:
    model: Any = host.credits.Purchase
    query = (
        sa.select(model)
        .where(model.user_id == host.user)
        .order_by(model.created_at.desc())
        .limit(ITEMS)
    )
    return jsonify(
        [
            {
                "id": str(one.id),
                "package_name": one.package_name,
                "package_code": one.package_code,
                "amount_credits": one.amount_credits,
                "amount_paid": None if one.amount_paid is None else one.amount_paid / 100,
                "amount_refunded": one.amount_refunded / 100,
                "currency": one.currency,
                "credits_revoked": one.credits_revoked,
                "status": one.status,
                "created_at": _utc(one.created_at),
                "completed_at": _utc(one.completed_at),
                "stripe_payment_id": one.stripe_payment_intent_id,
            }
            for one in host.db.session.scalars(query)
        ]
    )
