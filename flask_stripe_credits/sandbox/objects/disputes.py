"""Disputes: a buyer's bank asks questions, or takes the money back."""

from __future__ import annotations

from ..ids import new_id
from ..store import Json

_DAYS_TO_ANSWER = 9
EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure "
    "cancellation_rebuttal customer_communication customer_email_address customer_name "
    "customer_purchase_ip customer_signature duplicate_charge_documentation "
    "duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy "
    "refund_policy_disclosure refund_refusal_explanation service_date service_documentation "
    "shipping_address shipping_carrier shipping_date shipping_documentation "
    "shipping_tracking_number uncategorized_file uncategorized_text"
).split()


def dispute(charge: Json, amount: int, reason: str, now: int, *, inquiry: bool) -> Json:
    """Return a dispute about a charge before any money moved.

    :param amount: minor units of the charge's currency.
    :param reason: Stripe's word, such as ``fraudulent``.
    :param inquiry: whether the bank only asks for now, and leaves the money where it is.
    """
    billing = charge["billing_details"]
    return {
        "id": new_id("du_"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {
            **dict.fromkeys(EVIDENCE),
            "customer_email_address": billing["email"],
            "customer_name": billing["name"],
            "enhanced_evidence": {},
        },
        "evidence_details": {
            "due_by": now + _DAYS_TO_ANSWER * 24 * 60 * 60,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": None,
        "payment_intent": charge["payment_intent"],
        "payment_method_details": _method_details(charge, inquiry),
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def _method_details(charge: Json, inquiry: bool) -> Json:
    details = charge["payment_method_details"]
    if details["type"] != "card":
        return {"type": details["type"]}
    card = {
        "brand": details["card"]["brand"],
        "case_type": "inquiry" if inquiry else "chargeback",
        "network": details["card"]["brand"],
        "network_reason_code": None,
    }
    return {"card": card, "type": "card"}
