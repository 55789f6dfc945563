"""Payment intents and charges."""

from __future__ import annotations

from typing import Any, Literal

from ..ids import new_id
from ..store import Json
from . import payment_methods


def payment_intent(
    data: Json,
    now: int,
    *,
    amount: int,
    currency: str,
    customer: str | None,
    method_types: list[str],
) -> Json:
    """Return a new intent.

    :param data: parameters of ``POST /v1/payment_intents``, or of a session's
        ``payment_intent_data``.
    """
    id = new_id("pi_")
    return {
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": data.get("automatic_payment_methods"),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": data.get("capture_method", "automatic_async"),
        "client_secret": f"{id}_secret_{new_id('')}",
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": data.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": data.get("metadata", {}),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": method_types,
        "payment_record": None,
        "processing": None,
        "receipt_email": data.get("receipt_email"),
        "review": None,
        "setup_future_usage": data.get("setup_future_usage"),
        "shipping": data.get("shipping"),
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": data.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def intent_of(session: Json, data: Json, now: int) -> Json:
    """Return the intent to pay a session; ``data`` is the session's ``payment_intent_data``."""
    return payment_intent(
        data,
        now,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        method_types=session["payment_method_types"],
    )


def charge(
    intent: Json,
    method: Json,
    now: int,
    *,
    status: Literal["succeeded", "pending", "failed"],
    url: str,
    captured: bool = False,
    failure: Json | None = None,
) -> Json:
    """Return a charge of ``method`` for ``intent``.

    :param url: where the sandbox is: a charge that succeeded has a receipt there.
    :param captured: whether the money moved, or is only held.
    :param failure: the error that it ended with, or None.
    """
    id = new_id("ch_")
    return {
        "id": id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if captured else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "SANDBOX",
        "captured": captured,
        "created": now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": failure["code"] if failure else None,
        "failure_message": failure["message"] if failure else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome(failure),
        "paid": status == "succeeded",
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": payment_methods.as_charged(method, intent["amount"]),
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": receipt_url(url, id) if status == "succeeded" else None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }


def receipt_url(url: str, charge_id: str) -> str:
    """Where the receipt of a charge is, on the sandbox at ``url``."""
    return f"{url}/receipts/{charge_id}"


def _outcome(failure: Json | None) -> Json:
    outcome: dict[str, Any] = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 1,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if failure:
        outcome |= {
            "network_status": "declined_by_network",
            "reason": failure.get("decline_code"),
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        }
    return outcome
