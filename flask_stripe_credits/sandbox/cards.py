"""Stripe's test cards: what each does when it is charged."""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass
from enum import StrEnum


class Behaviour(StrEnum):
    """What a charge of the card does."""

    SUCCEEDS = "succeeds"
    DECLINED = "is declined"
    NO_FUNDS = "is declined: insufficient funds"
    EXPIRED = "is declined: expired card"
    WRONG_CVC = "is declined: wrong CVC"
    UNPROCESSED = "is declined: processing error"
    STOLEN = "is declined: stolen card"
    AUTHENTICATES = "asks for 3-D Secure"
    DISPUTED = "succeeds, then is disputed"
    INQUIRED = "succeeds, then its bank asks questions"
    REFUNDS_SLOWLY = "succeeds; its refunds are pending for a while"
    REFUND_FAILS = "succeeds; its refunds fail after all"


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a bank refuses a card, as Stripe says it.

    :ivar field: the form's field that the buyer can mend, if there is one.
    """

    message: str
    code: str
    decline_code: str
    field: str | None = None


DECLINES = {
    Behaviour.DECLINED: Decline("Your card was declined.", "card_declined", "generic_decline"),
    Behaviour.NO_FUNDS: Decline(
        "Your card has insufficient funds.", "card_declined", "insufficient_funds"
    ),
    Behaviour.EXPIRED: Decline(
        "Your card has expired.", "expired_card", "expired_card", field="expiry"
    ),
    Behaviour.WRONG_CVC: Decline(
        "Your card's security code is incorrect.", "incorrect_cvc", "incorrect_cvc", field="cvc"
    ),
    Behaviour.UNPROCESSED: Decline(
        "An error occurred while processing your card. Try again in a little bit.",
        "processing_error",
        "processing_error",
    ),
    # Stripe tells the merchant more than the thief.
    Behaviour.STOLEN: Decline("Your card was declined.", "card_declined", "stolen_card"),
}


@dataclass(frozen=True, slots=True)
class TestCard:
    """
    :ivar token: as ``POST /v1/payment_methods`` takes it instead of a number.
    """

    __test__ = False  # not one of pytest's

    number: str
    behaviour: Behaviour
    token: str
    brand: str = "visa"

    @property
    def spaced(self) -> str:
        return " ".join(self.number[i : i + 4] for i in range(0, len(self.number), 4))


TEST_CARDS = (
    TestCard("4242424242424242", Behaviour.SUCCEEDS, "tok_visa"),
    TestCard("4000000000000002", Behaviour.DECLINED, "tok_chargeDeclined"),
    TestCard("4000000000009995", Behaviour.NO_FUNDS, "tok_visa_chargeDeclinedInsufficientFunds"),
    TestCard("4000000000000069", Behaviour.EXPIRED, "tok_chargeDeclinedExpiredCard"),
    TestCard("4000000000000127", Behaviour.WRONG_CVC, "tok_chargeDeclinedIncorrectCvc"),
    TestCard("4000000000000119", Behaviour.UNPROCESSED, "tok_chargeDeclinedProcessingError"),
    TestCard("4000000000009979", Behaviour.STOLEN, "tok_visa_chargeDeclinedStolenCard"),
    TestCard("4000002500003155", Behaviour.AUTHENTICATES, "tok_threeDSecure2Required"),
    TestCard("4000000000000259", Behaviour.DISPUTED, "tok_createDispute"),
    TestCard("4000000000001976", Behaviour.INQUIRED, "tok_createDisputeInquiry"),
    TestCard("4000000000007726", Behaviour.REFUNDS_SLOWLY, "tok_pendingRefund"),
    TestCard("4000000000005126", Behaviour.REFUND_FAILS, "tok_refundFail"),
)
BY_NUMBER = {card.number: card for card in TEST_CARDS}
BY_TOKEN = {card.token: card for card in TEST_CARDS}
# Stripe's ready-made payment methods: pm_card_visa, pm_card_chargeDeclined, …
BY_PAYMENT_METHOD = {card.token.replace("tok_", "pm_card_"): card for card in TEST_CARDS}


def passes_luhn(number: str) -> bool:
    """Whether the check digit of a card number fits the others."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[0::2]) + sum(doubled)) % 10 == 0


def is_past(month: int, year: int, now: float) -> bool:
    """Whether a card that is good to the end of ``month`` has expired."""
    today = time.gmtime(now)
    return (year, month) < (today.tm_year, today.tm_mon)


def months_ahead(months: int, now: float) -> tuple[int, int]:
    """Return ``(month, year)`` some months after now, for a card that is still good."""
    today = time.gmtime(now)
    years, month = divmod(today.tm_mon - 1 + months, len(calendar.month_name) - 1)
    return month + 1, today.tm_year + years
