"""Every event that we handle, in the shapes that API versions from 2019 to 2026 give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..payloads import checkout_session, dispute, event, refund

Json = dict[str, Any]
AMOUNT = 300
Row = Mapping[str, Any]


def _expanded(key: str) -> Callable[[Json], Json]:
    def change(found: Json) -> Json:
        return found | {key: {"id": found[key], "object": key, "metadata": {}}}

    return change


def _without(*keys: str) -> Callable[[Json], Json]:
    def change(found: Json) -> Json:
        return {key: value for key, value in found.items() if key not in keys}

    return change


def _with(**values: Any) -> Callable[[Json], Json]:
    return lambda found: found | values


SHAPES: dict[str, tuple[Callable[[Json], Json], ...]] = {
    "checkout.session": (
        _with(),
        _expanded("payment_intent"),
        _without("status", "automatic_tax"),
        _without("status", "payment_status", "total_details", "currency", "amount_subtotal"),
        _with(presentment_details={"presentment_amount": 9, "presentment_currency": "eur"}),
        _with(line_items={"object": "list", "data": [{"quantity": 1}], "has_more": False}),
    ),
    "refund": (
        _with(),
        _expanded("payment_intent"),
        _expanded("charge"),
        _without("payment_intent"),
        _with(failure_reason="expired_or_canceled_card", status="failed"),
        _with(destination_details={"type": "card", "card": {"reference": None}}),
    ),
    "charge": (
        _with(),
        _expanded("payment_intent"),
        _with(refunds=None),
        _with(refunds={"object": "list", "data": [], "has_more": True}),
    ),
    "dispute": (
        _with(),
        _expanded("payment_intent"),
        _without("balance_transactions"),
        _with(balance_transactions=[], status="warning_needs_response"),
        _with(payment_method_details={"card": {"network_reason_code": None}}),
        _with(enhanced_eligibility_types=[], evidence={"shipping_documentation": None}),
    ),
}


def payment_of(purchase: Row) -> str:
    return f"pi_{purchase['id'].hex}"


def _session(purchase: Row) -> Json:
    return checkout_session(purchase, payment_intent=payment_of(purchase))


def _refund(purchase: Row) -> Json:
    return refund(payment_of(purchase), AMOUNT)


def _dispute(purchase: Row) -> Json:
    return dispute(payment_of(purchase), AMOUNT)


def _charge(purchase: Row) -> Json:
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 1000,
        "amount_refunded": AMOUNT,
        "livemode": False,
        "payment_intent": payment_of(purchase),
        "refunded": False,
        "refunds": {"object": "list", "data": [_refund(purchase)], "has_more": False},
    }


# Kind of object and what makes one about a purchase, for every type that we handle.
TYPES: dict[str, tuple[str, Callable[[Row], Json]]] = {
    "checkout.session.completed": ("checkout.session", _session),
    "checkout.session.async_payment_succeeded": ("checkout.session", _session),
    "checkout.session.async_payment_failed": ("checkout.session", _session),
    "checkout.session.expired": ("checkout.session", _session),
    "refund.created": ("refund", _refund),
    "refund.updated": ("refund", _refund),
    "refund.failed": ("refund", _refund),
    "charge.refund.updated": ("refund", _refund),
    "charge.refunded": ("charge", _charge),
    "charge.dispute.created": ("dispute", _dispute),
    "charge.dispute.updated": ("dispute", _dispute),
    "charge.dispute.closed": ("dispute", _dispute),
    "charge.dispute.funds_withdrawn": ("dispute", _dispute),
    "charge.dispute.funds_reinstated": ("dispute", _dispute),
}

VERSIONS = ("2019-12-03", "2020-08-27", "2022-11-15", "2024-09-30.acacia", "2026-10-28.endive")


def make_event(kind: str, shape: int, purchase: Row, version: str) -> Json:
    """An event of this type about ``purchase``; ``shape`` counts on over all that there are."""
    name, make = TYPES[kind]
    change = SHAPES[name][shape % len(SHAPES[name])]
    return event(kind, change(make(purchase)), api_version=version)
