"""The parameters of ``POST /v1/checkout/sessions``."""

from __future__ import annotations

from functools import cache

from ..api_version import NEW_UI_MODES, NO_PAYMENT_METHOD_TYPES, at_least
from ..params import (
    Choice,
    Currency,
    Email,
    Fields,
    Flag,
    Items,
    Metadata,
    Spec,
    Text,
    Unsupported,
    WebAddress,
    Whole,
    form,
    later,
)
from .customers import SHIPPING
from .prices import TAX_BEHAVIOR
from .products import PRODUCT_DATA

METHOD_TYPES = Items(Text(50, pattern="[a-z0-9_]+"))
_ENABLED = Fields({"enabled": Flag()}, ("enabled",))
_MESSAGE = Fields({"message": Text(1200)}, ("message",), unset=True)
DESCRIPTOR_PATTERN = r"(?=.*[A-Za-z])[^<>\\'\"*]+"

_LINE_ITEM = Fields(
    {
        "adjustable_quantity": Unsupported(),
        "dynamic_tax_rates": Unsupported(),
        "metadata": Metadata(),
        "price": Text(255),
        "price_data": Fields(
            {
                "currency": Currency(),
                "product": Text(255),
                "product_data": PRODUCT_DATA,
                "recurring": Unsupported(),
                "tax_behavior": TAX_BEHAVIOR,
                "unit_amount": Whole(),
                "unit_amount_decimal": Unsupported(),
            },
            ("currency", "unit_amount"),
        ),
        "quantity": Whole(1, 999_999),
        "tax_rates": Unsupported(),
    }
)
_PAYMENT_INTENT_DATA = Fields(
    {
        "application_fee_amount": Unsupported(),
        "capture_method": Choice(("automatic", "automatic_async", "manual")),
        "description": Text(1000),
        "metadata": Metadata(),
        "on_behalf_of": Unsupported(),
        "receipt_email": Email(),
        "setup_future_usage": Choice(("off_session", "on_session")),
        "shipping": SHIPPING,
        "statement_descriptor": Unsupported(),
        "statement_descriptor_suffix": Text(22, pattern=DESCRIPTOR_PATTERN),
        "transfer_data": Unsupported(),
        "transfer_group": Unsupported(),
    }
)
_INVOICE_CREATION = Fields(
    {
        "enabled": Flag(),
        "invoice_data": Fields(
            {"description": Text(1500), "footer": Text(5000), "metadata": Metadata()}
        ),
    },
    ("enabled",),
)
_CONSENT = Fields(
    {
        "payment_method_reuse_agreement": Fields({"position": Choice(("auto", "hidden"))}),
        "promotions": Choice(("auto", "none")),
        "terms_of_service": Choice(("none", "required")),
    }
)
_LATER = later("""
    after_expiration currency custom_fields customer_account customer_update discounts
    integration_identifier name_collection optional_items payment_method_collection
    payment_method_configuration payment_method_data payment_method_options permissions
    redirect_on_completion return_url saved_payment_method_options setup_intent_data
    shipping_address_collection shipping_options subscription_data wallet_options
""")

_KNOWN: dict[str, Spec] = {
    **_LATER,
    "adaptive_pricing": _ENABLED,
    "allow_promotion_codes": Flag(),
    "allowed_payment_method_types": METHOD_TYPES,
    "automatic_tax": Fields({"enabled": Flag(), "liability": Unsupported()}, ("enabled",)),
    "billing_address_collection": Choice(("auto", "required")),
    "branding_settings": Fields({"display_name": Text(200)}),
    "cancel_url": WebAddress(),
    "client_reference_id": Text(200),
    "consent_collection": _CONSENT,
    "custom_text": Fields(
        dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance"), _MESSAGE
        )
    ),
    "customer": Text(255),
    "customer_creation": Choice(("always", "if_required")),
    "customer_email": Email(),
    "excluded_payment_method_types": METHOD_TYPES,
    "expires_at": Whole(most=10**12),
    "invoice_creation": _INVOICE_CREATION,
    "line_items": Items(_LINE_ITEM, most=100),
    "locale": Text(10, pattern="[A-Za-z0-9-]+"),
    "managed_payments": _ENABLED,
    "metadata": Metadata(),
    "mode": Choice(("payment",), later=("setup", "subscription")),
    "origin_context": Choice(("mobile_app", "web")),
    "payment_intent_data": _PAYMENT_INTENT_DATA,
    "phone_number_collection": _ENABLED,
    "submit_type": Choice(("auto", "book", "donate", "pay", "subscribe")),
    "success_url": WebAddress(),
    "tax_id_collection": Fields(
        {"enabled": Flag(), "required": Choice(("if_supported", "never"))}, ("enabled",)
    ),
}


@cache
def session_fields(version: str) -> Fields:
    """Return what a version of the API takes: it renamed some and dropped others."""
    known = dict(_KNOWN)
    if at_least(version, NEW_UI_MODES):
        known["ui_mode"] = Choice(("hosted_page",), later=("elements", "embedded_page", "form"))
    else:
        known["ui_mode"] = Choice(("hosted",), later=("custom", "embedded"))
    if not at_least(version, NO_PAYMENT_METHOD_TYPES):
        known["payment_method_types"] = METHOD_TYPES
    return form(known)
