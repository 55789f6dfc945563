"""``/v1/charges`` and ``/v1/payment_methods``"""

from __future__ import annotations

from .. import methods
from ..errors import invalid
from ..params import Choice, Email, Fields, Metadata, Text, Whole, later
from ..store import Json
from .customers import ADDRESS
from .listing import PAGING, TIMELESS_PAGING, exactly, listed
from .lookup import named
from .routing import Call, Routes

routes: Routes = Routes()


@routes.get("/v1/charges/<id>")
def retrieve_charge(call: Call) -> Json:
    return named(call, "charge")


@routes.get(
    "/v1/charges",
    {
        **PAGING,
        **later("transfer_group"),
        "customer": Text(255),
        "payment_intent": Text(255),
    },
)
def list_charges(call: Call) -> Json:
    return listed(call, "charge", "/v1/charges", exactly(call, "customer", "payment_intent"))


_TYPES = ("card", "sepa_debit", "us_bank_account")
_OTHER_TYPES = """
    acss_debit affirm afterpay_clearpay alipay alma amazon_pay au_becs_debit bacs_debit
    bancontact billie bizum blik boleto cashapp crypto custom customer_balance eps fpx giropay
    grabpay ideal interac_present kakao_pay klarna konbini kr_card link mb_way mobilepay
    multibanco naver_pay nz_bank_account oxxo p24 pay_by_bank payco paynow paypal payto pix
    promptpay revolut_pay samsung_pay satispay scalapay sofort sunbit swish twint upi wechat_pay
    zip
"""
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
        **later(_OTHER_TYPES),
        **later("allow_redisplay customer payment_method radar_options"),
        "billing_details": _BILLING_DETAILS,
        "card": _CARD,
        "metadata": Metadata(),
        "sepa_debit": Fields({"iban": Text(34)}),
        "type": Choice(_TYPES, later=tuple(_OTHER_TYPES.split())),
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


@routes.get(
    "/v1/payment_methods",
    {
        **TIMELESS_PAGING,
        **later("allow_redisplay customer_account"),
        "customer": Text(255),
        "type": Choice(_TYPES),
    },
)
def list_payment_methods(call: Call) -> Json:
    return listed(call, "payment_method", "/v1/payment_methods", exactly(call, "customer", "type"))
