"""Payment methods, and how a charge shows them."""

from __future__ import annotations

from ..ids import new_id
from ..store import Json

NO_ADDRESS: Json = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def billing_details(params: Json) -> Json:
    """Return billing details with every field of Stripe's, null where ``params`` has none."""
    return {
        "address": {**NO_ADDRESS, **(params.get("address") or {})},
        "email": params.get("email"),
        "name": params.get("name"),
        "phone": params.get("phone"),
        "tax_id": None,
    }


def card(number: str, month: int, year: int, params: Json, now: int) -> Json:
    """Return a card as a payment method; the number itself stays out of it."""
    zip_given = bool((params.get("billing_details", {}).get("address") or {}).get("postal_code"))
    details = {
        "brand": "visa",
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": "pass" if zip_given else None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": "visa",
        "exp_month": month,
        "exp_year": year,
        "fingerprint": new_id("")[:16],
        "funding": "credit",
        "generated_from": None,
        "last4": number[-4:],
        "networks": {"available": ["visa"], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return _method("card", details, params, now)


def us_bank_account(number: str, routing_number: str, params: Json, now: int) -> Json:
    """Return an account in the USA as a payment method; the number itself stays out of it."""
    given = params["us_bank_account"]
    details = {
        "account_holder_type": given.get("account_holder_type", "individual"),
        "account_type": given.get("account_type", "checking"),
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": new_id("")[:16],
        "last4": number[-4:],
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": routing_number,
        "status_details": {},
    }
    return _method("us_bank_account", details, params, now)


def sepa_debit(iban: str, params: Json, now: int) -> Json:
    """Return an account in Europe as a payment method; the IBAN itself stays out of it."""
    details = {
        "bank_code": iban[4:9],
        "branch_code": "",
        "country": iban[:2],
        "fingerprint": new_id("")[:16],
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": iban[-4:],
    }
    return _method("sepa_debit", details, params, now)


def _method(type: str, details: Json, params: Json, now: int) -> Json:
    return {
        "id": new_id("pm_"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": billing_details(params.get("billing_details", {})),
        type: details,
        "created": now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "type": type,
    }


def as_charged(method: Json, amount: int) -> Json:
    """Return a charge's ``payment_method_details``."""
    type = method["type"]
    details = method[type]
    if type == "card":
        return {"card": _charged_card(details, amount), "type": "card"}
    kept = {
        "us_bank_account": (
            "account_holder_type",
            "account_type",
            "bank_name",
            "fingerprint",
            "last4",
            "routing_number",
        ),
        "sepa_debit": ("bank_code", "branch_code", "country", "fingerprint", "last4"),
    }[type]
    mandate = new_id("mandate_")
    return {type: {**{key: details[key] for key in kept}, "mandate": mandate}, "type": type}


def _charged_card(card: Json, amount: int) -> Json:
    same = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    return {
        **{key: card[key] for key in same},
        "amount_authorized": amount,
        "authorization_code": None,
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "regulated_status": card["regulated_status"],
        "setup_credential_usage": None,
        "stored_credential_usage": None,
        "three_d_secure": None,
        "wallet": None,
    }
