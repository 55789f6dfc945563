"""``/v1/payment_intents``"""

from __future__ import annotations

from functools import cache

from .. import intents
from ..api_version import NO_PAYMENT_METHOD_TYPES, at_least
from ..catalog import merged
from ..idempotency import Answer
from ..intents import Attempt
from ..params import (
    Choice,
    Currency,
    Email,
    Fields,
    Flag,
    Metadata,
    Spec,
    Text,
    WebAddress,
    Whole,
    form,
    later,
)
from ..store import Json
from .checkout_params import DESCRIPTOR_PATTERN, METHOD_TYPES
from .customers import SHIPPING
from .listing import PAGING, exactly, listed
from .routing import Call, Routes

routes: Routes = Routes()

_BOTH_LATER = """
    amount_details confirmation_token error_on_requires_action excluded_payment_method_types hooks
    mandate mandate_data payment_details payment_method_data payment_method_options radar_options
    use_stripe_sdk
"""
_CREATE_LATER = """
    application_fee_amount confirmation_method customer_account on_behalf_of
    payment_method_configuration statement_descriptor transfer_data transfer_group
"""
_CONFIRM_LATER = """
    allowed_payment_method_types amount_to_confirm capture_method client_secret payment_method_types
    receipt_email setup_future_usage shipping
"""
_UPDATE_LATER = """
    allowed_payment_method_types amount amount_details application_fee_amount capture_method
    currency customer customer_account excluded_payment_method_types hooks payment_details
    payment_method payment_method_configuration payment_method_data payment_method_options
    payment_method_types receipt_email setup_future_usage shipping statement_descriptor
    statement_descriptor_suffix transfer_data transfer_group
"""
_CAPTURE_LATER = """
    amount_details application_fee_amount final_capture hooks metadata payment_details
    statement_descriptor statement_descriptor_suffix transfer_data
"""
_CONFIRMING: dict[str, Spec] = {
    **later(_BOTH_LATER),
    "off_session": Flag(),
    "payment_method": Text(255),
    "return_url": WebAddress(),
}
_KNOWN: dict[str, Spec] = {
    **_CONFIRMING,
    **later(_CREATE_LATER),
    "allowed_payment_method_types": METHOD_TYPES,
    "amount": Whole(1),
    "automatic_payment_methods": Fields(
        {"allow_redirects": Choice(("always", "never")), "enabled": Flag()}, ("enabled",)
    ),
    "capture_method": Choice(("automatic", "automatic_async", "manual")),
    "confirm": Flag(),
    "currency": Currency(),
    "customer": Text(255),
    "description": Text(1000),
    "metadata": Metadata(),
    "receipt_email": Email(),
    "setup_future_usage": Choice(("off_session", "on_session")),
    "shipping": SHIPPING,
    "statement_descriptor_suffix": Text(22, pattern=DESCRIPTOR_PATTERN),
}


@cache
def _create_fields(version: str) -> Fields:
    known = dict(_KNOWN)
    if not at_least(version, NO_PAYMENT_METHOD_TYPES):
        known["payment_method_types"] = METHOD_TYPES
    return form(known, "amount", "currency")


@routes.post_versioned("/v1/payment_intents", _create_fields)
def create(call: Call) -> Json | Answer:
    intent = intents.create(call.world, call.params)
    if not call.params.get("confirm"):
        return intent
    off_session = call.params.get("off_session", False)
    return _answer(intents.confirm(call.world, intent, off_session=off_session))


@routes.get("/v1/payment_intents/<id>", {"client_secret": Text(255)})
def retrieve(call: Call) -> Json:
    return intents.get(call.world, call.id)


@routes.post(
    "/v1/payment_intents/<id>",
    {**later(_UPDATE_LATER), "description": Text(), "metadata": Metadata(update=True)},
)
def update(call: Call) -> Json:
    intent = intents.get(call.world, call.id)
    intent["description"] = call.params.get("description", intent["description"])
    if "metadata" in call.params:
        intent["metadata"] = merged(intent["metadata"], call.params["metadata"])
    call.world.store.save(intent)
    return intent


@routes.post("/v1/payment_intents/<id>/confirm", {**later(_CONFIRM_LATER), **_CONFIRMING})
def confirm(call: Call) -> Json | Answer:
    return _answer(
        intents.confirm(
            call.world,
            intents.get(call.world, call.id),
            call.params.get("payment_method"),
            off_session=call.params.get("off_session", False),
        )
    )


@routes.post(
    "/v1/payment_intents/<id>/capture",
    {**later(_CAPTURE_LATER), "amount_to_capture": Whole(1)},
)
def capture(call: Call) -> Json:
    return intents.capture(call.world, call.id, call.params.get("amount_to_capture"))


@routes.post(
    "/v1/payment_intents/<id>/cancel",
    {
        "cancellation_reason": Choice(
            ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
        )
    },
)
def cancel(call: Call) -> Json:
    return intents.cancel(call.world, call.id, call.params.get("cancellation_reason"))


@routes.get("/v1/payment_intents", {**PAGING, **later("customer_account"), "customer": Text(255)})
def list_(call: Call) -> Json:
    return listed(call, "payment_intent", "/v1/payment_intents", exactly(call, "customer"))


def _answer(attempt: Attempt) -> Json | Answer:
    # What is declined is kept, unlike what is refused: the answer only tells of it.
    if attempt.error is not None:
        return Answer(attempt.error.body, attempt.error.status)
    return attempt.intent
