"""Payment methods: cards and bank accounts, of which only Stripe's test numbers are taken."""

from __future__ import annotations

from . import bank_accounts, cards
from .bank_accounts import MethodType
from .errors import ApiError, card_error, invalid, missing, no_such
from .objects import payment_methods
from .store import Json
from .world import World

_STILL_GOOD_MONTHS = 13


def create(world: World, params: Json) -> Json:
    """Keep a card or a bank account as a payment method.

    :param params: ``type`` (a card, if missing); ``card`` with a ``token``, or with ``number``,
        ``exp_month``, ``exp_year`` and ``cvc``; ``us_bank_account`` with ``account_number`` and
        ``routing_number``; ``sepa_debit`` with ``iban``; ``billing_details``.
    :raises ApiError: for a number that isn't one, or isn't one of Stripe's for tests.
    """
    make = {"card": _card, "us_bank_account": _us_bank_account, "sepa_debit": _sepa_debit}
    type = params.get("type", "card")
    if not params.get(type):
        raise missing(type)
    method, number = make[type](world, params)
    world.store.add(method, {"number": number})
    return method


def _us_bank_account(world: World, params: Json) -> tuple[Json, str]:
    given = params["us_bank_account"]
    for field in ("account_number", "routing_number"):
        if field not in given:
            raise missing(f"us_bank_account[{field}]")
    routing, number = given["routing_number"], given["account_number"]
    if routing != bank_accounts.TEST_ROUTING_NUMBER:
        raise _not_a_test_account(
            f"the routing number has to be {bank_accounts.TEST_ROUTING_NUMBER}",
            "us_bank_account[routing_number]",
        )
    _check_account(number, "us_bank_account", "us_bank_account[account_number]")
    return payment_methods.us_bank_account(number, routing, params, world.now()), number


def _sepa_debit(world: World, params: Json) -> tuple[Json, str]:
    if "iban" not in params["sepa_debit"]:
        raise missing("sepa_debit[iban]")
    iban = params["sepa_debit"]["iban"].replace(" ", "").upper()
    _check_account(iban, "sepa_debit", "sepa_debit[iban]")
    return payment_methods.sepa_debit(iban, params, world.now()), iban


def _check_account(number: str, type: MethodType, param: str) -> None:
    account = bank_accounts.BY_NUMBER.get(number)
    if account is None or account.type != type:
        numbers = [known.number for known in bank_accounts.TEST_ACCOUNTS if known.type == type]
        raise _not_a_test_account(f"it takes {', '.join(numbers)}", param)


def _not_a_test_account(hint: str, param: str) -> ApiError:
    return invalid(
        f"You must use a test bank account number in test mode: {hint}. See "
        "https://docs.stripe.com/testing#non-card-payments",
        param=param,
        code="account_number_invalid",
    )


def _card(world: World, params: Json) -> tuple[Json, str]:
    card = params["card"]
    if "token" in card:
        known = cards.BY_TOKEN.get(card["token"])
        if known is None:
            raise no_such("token", card["token"], param="card[token]", status=400)
        number = known.number
        month, year = cards.months_ahead(_STILL_GOOD_MONTHS, world.clock.time())
    else:
        number, month, year = _entered_card(world, card)
    return payment_methods.card(number, month, year, params, world.now()), number


def _entered_card(world: World, card: Json) -> tuple[str, int, int]:
    for field in ("number", "exp_month", "exp_year"):
        if field not in card:
            raise missing(f"card[{field}]")
    number, month, year = card["number"].replace(" ", ""), card["exp_month"], card["exp_year"]
    year += 2000 if year < 100 else 0
    if not number.isdecimal() or not 12 <= len(number) <= 19 or not cards.passes_luhn(number):
        raise card_error(
            "Your card number is incorrect.", code="incorrect_number", param="card[number]"
        )
    if not 1 <= month <= 12:
        raise card_error(
            "Your card's expiration month is invalid.",
            code="invalid_expiry_month",
            param="card[exp_month]",
        )
    if cards.is_past(month, year, world.clock.time()) or year > 2100:
        raise card_error(
            "Your card's expiration year is invalid.",
            code="invalid_expiry_year",
            param="card[exp_year]",
        )
    if "cvc" in card and not (card["cvc"].isdecimal() and 3 <= len(card["cvc"]) <= 4):
        raise card_error(
            "Your card's security code is invalid.", code="invalid_cvc", param="card[cvc]"
        )
    if number not in cards.BY_NUMBER:
        raise not_a_test_card()
    return number, month, year


def not_a_test_card() -> ApiError:
    """Return Stripe's answer to a real card in test mode."""
    return card_error(
        "Your card was declined. Your request was in test mode, but used a non test card. For a "
        "list of valid test cards, visit: https://docs.stripe.com/testing.",
        code="card_declined",
        decline_code="test_mode_live_card",
    )


def offered(params: Json, currency: str, *, held: bool) -> list[str]:
    """Return the kinds of payment methods that a buyer may choose from.

    :param params: those of ``POST /v1/checkout/sessions`` or ``/v1/payment_intents``.
    :param held: whether the money is only held at first, which banks don't do.
    :raises ApiError: when nothing is left.
    """
    types = ["card"]
    if not held:
        types += [type for type, only in bank_accounts.CURRENCIES.items() if only == currency]
    chosen = params.get("payment_method_types") or params.get("allowed_payment_method_types")
    excluded = params.get("excluded_payment_method_types") or []
    left = [type for type in types if type in (chosen or types) and type not in excluded]
    if not left:
        raise invalid(
            "No valid payment method types are left. For this currency the sandbox has: "
            f"{', '.join(types)}."
        )
    return left


def named(world: World, id: str) -> Json:
    """Return a payment method: one that was made, or one of Stripe's such as ``pm_card_visa``.

    :raises ApiError: when there is none.
    """
    ready_made = cards.BY_PAYMENT_METHOD.get(id)
    if ready_made is not None:
        return create(world, {"card": {"token": ready_made.token}})
    method = world.store.get("payment_method", id)
    if method is None:
        raise no_such("PaymentMethod", id, param="payment_method", status=400)
    return method
