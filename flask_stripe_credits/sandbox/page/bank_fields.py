"""What is wrong with a bank account as it was typed."""

from __future__ import annotations

import re

from .. import bank_accounts
from ..bank_accounts import MethodType

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}\Z")
_SHORTEST_IBAN = 15
_SHORTEST_ACCOUNT = 4
_ROUTING_DIGITS = 9


def plain(number: str) -> str:
    """Return an account number or IBAN as banks write it, without spaces and dashes."""
    return re.sub(r"[\s-]", "", number).upper()


def is_test_account(number: str, type: MethodType) -> bool:
    """Whether a number is one of Stripe's for tests; any other could be somebody's."""
    account = bank_accounts.BY_NUMBER.get(plain(number))
    return account is not None and account.type == type


def routing_problem(routing: str) -> str | None:
    """Return what is wrong with a routing number, or None."""
    digits = plain(routing)
    if not digits:
        return "Enter your bank's routing number."
    if not re.fullmatch(r"[0-9]*", digits) or len(digits) > _ROUTING_DIGITS:
        return "Your bank's routing number is invalid."
    if len(digits) < _ROUTING_DIGITS:
        return "Your bank's routing number is incomplete."
    known = bank_accounts.TEST_ROUTING_NUMBER
    return None if digits == known else f"The sandbox has one bank: its routing number is {known}."


def account_problem(number: str) -> str | None:
    """Return what is wrong with the number of an account in the USA, or None."""
    digits = plain(number)
    if not digits:
        return "Enter your account number."
    if not re.fullmatch(r"[0-9]{1,17}", digits):
        return "Your account number is invalid."
    if len(digits) < _SHORTEST_ACCOUNT:
        return "Your account number is incomplete."
    return None if is_test_account(digits, "us_bank_account") else _not_for_tests("account numbers")


def iban_problem(number: str) -> str | None:
    """Return what is wrong with an IBAN, or None."""
    iban = plain(number)
    if not iban:
        return "Enter your IBAN."
    if len(iban) < _SHORTEST_IBAN:
        return "Your IBAN is incomplete."
    if not _IBAN.match(iban) or not _checks(iban):
        return "Your IBAN is invalid."
    return None if is_test_account(iban, "sepa_debit") else _not_for_tests("IBANs")


def _checks(iban: str) -> bool:
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _not_for_tests(what: str) -> str:
    return f"This isn't one of Stripe's {what} for tests. Those that work here are listed below."
