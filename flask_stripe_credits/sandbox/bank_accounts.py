"""Stripe's test bank accounts: debits that are paid, or refused, only days later."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

MethodType = Literal["us_bank_account", "sepa_debit"]


class Debit(StrEnum):
    """What becomes of a debit that is left to itself."""

    PAID = "is paid some days later"
    REFUSED = "is refused some days later"
    WAITS = "never says"


@dataclass(frozen=True, slots=True)
class TestAccount:
    """
    :ivar number: account number in the USA, IBAN in Europe.
    """

    __test__ = False  # not one of pytest's

    number: str
    debit: Debit
    type: MethodType


# Source: https://docs.stripe.com/testing#non-card-payments
TEST_ACCOUNTS = (
    TestAccount("000123456789", Debit.PAID, "us_bank_account"),
    TestAccount("000222222227", Debit.REFUSED, "us_bank_account"),
    TestAccount("000000000009", Debit.WAITS, "us_bank_account"),
    TestAccount("AT611904300234573201", Debit.PAID, "sepa_debit"),
    TestAccount("AT861904300235473202", Debit.REFUSED, "sepa_debit"),
    TestAccount("IT60X0542811101000000123456", Debit.REFUSED, "sepa_debit"),
)
BY_NUMBER = {account.number: account for account in TEST_ACCOUNTS}
TEST_ROUTING_NUMBER = "110000000"
# Each works in one currency only.
CURRENCIES: dict[MethodType, str] = {"us_bank_account": "usd", "sepa_debit": "eur"}
