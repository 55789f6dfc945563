"""What is wrong with a card as it was typed, in the words of Stripe's own page."""

from __future__ import annotations

import re

from .. import cards
from ..methods import not_a_test_card

_EXPIRY = re.compile(r"(\d{1,2})\s*/?\s*(\d{4}|\d{2})\Z", re.ASCII)
_SHORTEST_NUMBER = 14
_FURTHEST_YEARS = 50


def digits_of(number: str) -> str:
    """Return a number without spaces and dashes."""
    return re.sub(r"[\s-]", "", number)


def could_be_real(number: str) -> bool:
    """Whether somebody might have this card, so that it mustn't be shown again."""
    digits = digits_of(number)
    return digits not in cards.BY_NUMBER and cards.passes_luhn(digits)


def number_problem(number: str) -> str | None:
    """Return what is wrong with a card number, or None."""
    digits = digits_of(number)
    if not digits:
        return "Enter your card number."
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 19:
        return "Your card number is invalid."
    if len(digits) < _SHORTEST_NUMBER:
        return "Your card number is incomplete."
    if not cards.passes_luhn(digits):
        return "Your card number is invalid."
    return not_a_test_card().message if digits not in cards.BY_NUMBER else None


def month_and_year(expiry: str) -> tuple[int, int] | None:
    """Return what ``MM / YY`` says, or None when it says less."""
    matched = _EXPIRY.match(expiry)
    if matched is None:
        return None
    year = int(matched[2])
    return int(matched[1]), year + 2000 if year < 100 else year


def expiry_problem(expiry: str, now: float) -> str | None:
    """Return what is wrong with an expiration date, or None."""
    read = month_and_year(expiry)
    if read is None:
        return "Your card's expiration date is incomplete."
    month, year = read
    _, this_year = cards.months_ahead(0, now)
    if not 1 <= month <= 12 or year > this_year + _FURTHEST_YEARS:
        return "Your card's expiration date is invalid."
    if year < this_year:
        return "Your card's expiration year is in the past."
    past = cards.is_past(month, year, now)
    return "Your card's expiration date is in the past." if past else None


def cvc_problem(cvc: str) -> str | None:
    """Return what is wrong with a security code, or None."""
    if not re.fullmatch(r"[0-9]{0,4}", cvc):
        return "Your card's security code is invalid."
    return "Your card's security code is incomplete." if len(cvc) < 3 else None
