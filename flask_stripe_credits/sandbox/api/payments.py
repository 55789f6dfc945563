"""``/v1/charges`` and ``/v1/payment_methods``"""

from __future__ import annotations

from .. import methods
from ..errors import invalid
from ..params import Choice, Email, Fields, Metadata, Text, Whole
from ..store import Json
from .customers import ADDRESS
from .listing import PAGING, exactly, listed
from .lookup import named
from .routing import Call, Routes

routes = Routes()


@routes.get("/v1/charges/<id>")
def retrieve_charge(call: Call) -> Json:
    return named(call, "charge")


@routes.get("/v1/charges", {**PAGING, "customer": Text(255), "payment_intent": Text(255)})
def list_charges(call: Call) -> Json:
    return listed(call, "charge", "/v1/charges", exactly(call, "customer", "payment_intent"))


_TYPES = ("card", "sepa_debit", "us_bank_account")
_CARD = Fields(
    {
        "cvc": Text(4),
        "exp_month": Whole(most=99),
        "exp_year": Whole(most=9999),
        "number": Text(23),
        "token": Text(255),
    }
)
_BILLING_DETAILS = Fields(
    {"address": ADDRESS, "email": Email(), "name": Text(unset=True), "phone": Text(unset=True)}
)


@routes.post(
    "/v1/payment_methods",
    {
        "billing_details": _BILLING_DETAILS,
        "card": _CARD,
        "metadata": Metadata(),
        "sepa_debit": Fields({"iban": Text(34)}),
        "type": Choice(_TYPES, later=("link",)),
        "us_bank_account": Fields(
            {
                "account_holder_type": Choice(("company", "individual")),
                "account_number": Text(17),
                "account_type": Choice(("checking", "savings")),
                "routing_number": Text(9),
            }
        ),
    },
    "type",
)
def create_payment_method(call: Call) -> Json:
    card = call.params.get("card", {})
    if "token" in card and len(card) > 1:
        raise invalid("You may not give other card details beside card[token].", param="card")
    for type in _TYPES:
        if type in call.params and type != call.params["type"]:
            raise invalid(
                f"The parameter {type} doesn't go with type={call.params['type']}.", param=type
            )
    return methods.create(call.world, call.params)


@routes.get("/v1/payment_methods/<id>")
def retrieve_payment_method(call: Call) -> Json:
    return named(call, "payment_method", param="payment_method")


@routes.get("/v1/payment_methods", {**PAGING, "customer": Text(255), "type": Choice(_TYPES)})
def list_payment_methods(call: Call) -> Json:
    return listed(call, "payment_method", "/v1/payment_methods", exactly(call, "customer", "type"))
