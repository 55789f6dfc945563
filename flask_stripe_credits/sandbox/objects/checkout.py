"""Checkout sessions and the customers that they create."""

from __future__ import annotations

from ..ids import new_id
from ..store import Json
from .payment_methods import billing_details

_DEFAULT_LIFETIME_SECONDS = 24 * 60 * 60
_AS_GIVEN = (
    "adaptive_pricing allowed_payment_method_types allow_promotion_codes "
    "billing_address_collection cancel_url client_reference_id consent_collection locale "
    "origin_context submit_type success_url"
).split()
_ALWAYS_NULL = (
    "after_expiration client_secret collected_information consent currency_conversion "
    "customer_account integration_identifier invoice payment_intent payment_link "
    "payment_method_collection "
    "payment_method_configuration_details permissions recovered_from saved_payment_method_options "
    "setup_intent shipping_address_collection shipping_cost subscription wallet_options"
).split()
_NO_TEXT = dict.fromkeys(
    ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
)
_ONLY_IF_GIVEN = ("excluded_payment_method_types",)
_BRANDING = {
    "background_color": "#ffffff",
    "border_style": "rounded",
    "button_color": "#0074d4",
    "display_name": "Demo merchant",
    "font_family": "default",
    "icon": None,
    "logo": None,
}


def session(
    params: Json, items: list[Json], *, method_types: list[str], url: str, now: int
) -> Json:
    """Return a new open session in payment mode.

    :param params: those of ``POST /v1/checkout/sessions``.
    :param items: its line items, at least one, all in one currency.
    :param method_types: kinds of payment methods that its buyer may choose from.
    :param url: the sandbox's own address.
    """
    id = new_id("cs_test_")
    total = sum(item["amount_total"] for item in items)
    return {
        "id": id,
        "object": "checkout.session",
        **dict.fromkeys(_ALWAYS_NULL),
        **{name: params.get(name) for name in _AS_GIVEN},
        "adaptive_pricing": params.get("adaptive_pricing", {"enabled": False}),
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": _automatic_tax(params),
        "branding_settings": {**_BRANDING, **params.get("branding_settings", {})},
        "created": now,
        "currency": items[0]["currency"],
        "custom_fields": [],
        "custom_text": {**_NO_TEXT, **params.get("custom_text", {})},
        "customer": params.get("customer"),
        "customer_details": _known_details(params.get("customer_email")),
        "customer_creation": None
        if "customer" in params
        else params.get("customer_creation", "if_required"),
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": params.get("expires_at", now + _DEFAULT_LIFETIME_SECONDS),
        "invoice_creation": _invoice_creation(params.get("invoice_creation", {})),
        "livemode": False,
        "managed_payments": params.get("managed_payments", {"enabled": False}),
        "metadata": params.get("metadata", {}),
        "mode": "payment",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": method_types,
        "payment_status": "no_payment_required" if total == 0 else "unpaid",
        "phone_number_collection": params.get("phone_number_collection", {"enabled": False}),
        "redirect_on_completion": "always",
        "shipping_options": [],
        "status": "open",
        "tax_id_collection": {
            "enabled": False,
            "required": "never",
            **params.get("tax_id_collection", {}),
        },
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": params.get("ui_mode"),
        "url": f"{url}/c/pay/{id}",
        **{name: params[name] for name in _ONLY_IF_GIVEN if name in params},
    }


def _known_details(email: str | None) -> Json | None:
    return customer_details(billing_details({}), email) if email else None


def _automatic_tax(params: Json) -> Json:
    enabled = params.get("automatic_tax", {}).get("enabled", False)
    status = "requires_location_inputs" if enabled else None
    return {"enabled": enabled, "liability": None, "provider": None, "status": status}


def _invoice_creation(given: Json) -> Json:
    data = given.get("invoice_data", {})
    return {
        "enabled": given.get("enabled", False),
        "invoice_data": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": data.get("description"),
            "footer": data.get("footer"),
            "issuer": None,
            "metadata": data.get("metadata", {}),
            "rendering_options": None,
        },
    }


def customer_details(billing: Json, email: str | None) -> Json:
    """Return what the buyer told the payment page."""
    return {
        "address": billing["address"],
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": billing["name"],
        "phone": billing["phone"],
        "tax_exempt": "none",
        "tax_ids": [],
    }


def customer(params: Json, now: int) -> Json:
    """Return a new customer; ``params`` are those of ``POST /v1/customers``."""
    return {
        "id": params.get("id") or new_id("cus_")[:18],
        "object": "customer",
        "address": params.get("address"),
        "balance": 0,
        "created": now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": params.get("description"),
        "discount": None,
        "email": params.get("email"),
        "invoice_prefix": new_id("")[:8].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "name": params.get("name"),
        "phone": params.get("phone"),
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
