"""What the buyer typed, and what is wrong with it in the words of Stripe's own page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .. import cards
from ..methods import not_a_test_card
from ..params import is_email
from ..store import Json

_EXPIRY = re.compile(r"(\d{1,2})\s*/?\s*(\d{4}|\d{2})\Z", re.ASCII)
_SHORTEST_NUMBER = 14
_FURTHEST_YEARS = 50
_LONGEST_TEXT = 200


@dataclass(slots=True)
class CardForm:
    """A filled-in payment page.

    :ivar errors: what is wrong, by the name of the field.
    """

    email: str = ""
    number: str = ""
    expiry: str = ""
    cvc: str = ""
    name: str = ""
    zip: str = ""
    month: int = 0
    year: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls, given: Mapping[str, str], *, email: str | None, free: bool, now: float
    ) -> CardForm:
        """Take the fields of a submitted form and check them.

        :param email: the one that the merchant fixed, if so.
        :param free: whether there is nothing to pay, so that no card is asked for.
        """

        def text(name: str) -> str:
            return given.get(name, "").strip()[:_LONGEST_TEXT]

        form = cls(
            email=email or text("email"),
            number=text("number"),
            expiry=text("expiry"),
            cvc=text("cvc"),
            name=text("name"),
            zip=text("zip"),
        )
        form._check_email()
        if not free:
            form._check_number()
            form._check_expiry(now)
            form._check_cvc()
            for name in ("name", "zip"):
                if not text(name):
                    form.errors[name] = "This field is required."
        return form

    @property
    def digits(self) -> str:
        """The card number without spaces and dashes."""
        return re.sub(r"[\s-]", "", self.number)

    @property
    def shown_number(self) -> str:
        """The number to fill in again; empty for one that could be somebody's real card."""
        if self.digits not in cards.BY_NUMBER and cards.passes_luhn(self.digits):
            return ""
        return self.number

    def method_params(self) -> Json:
        """Return the parameters of ``POST /v1/payment_methods`` for a form without errors."""
        card = {
            "number": self.digits,
            "exp_month": self.month,
            "exp_year": self.year,
            "cvc": self.cvc,
        }
        address = {"country": "US", "postal_code": self.zip}
        billing = {"email": self.email, "name": self.name, "address": address}
        return {"card": card, "billing_details": billing}

    def _check_email(self) -> None:
        if not self.email:
            self.errors["email"] = "Enter your email."
        elif not is_email(self.email):
            self.errors["email"] = "Your email is invalid."

    def _check_number(self) -> None:
        number = self.digits
        if not number:
            problem = "Enter your card number."
        elif not number.isascii() or not number.isdecimal() or len(number) > 19:
            problem = "Your card number is invalid."
        elif len(number) < _SHORTEST_NUMBER:
            problem = "Your card number is incomplete."
        elif not cards.passes_luhn(number):
            problem = "Your card number is invalid."
        elif number not in cards.BY_NUMBER:
            problem = not_a_test_card().message
        else:
            return
        self.errors["number"] = problem

    def _check_expiry(self, now: float) -> None:
        matched = _EXPIRY.match(self.expiry)
        if matched is None:
            self.errors["expiry"] = "Your card's expiration date is incomplete."
            return
        self.month, year = int(matched[1]), int(matched[2])
        self.year = year + 2000 if year < 100 else year
        _, this_year = cards.months_ahead(0, now)
        if not 1 <= self.month <= 12 or self.year > this_year + _FURTHEST_YEARS:
            self.errors["expiry"] = "Your card's expiration date is invalid."
        elif self.year < this_year:
            self.errors["expiry"] = "Your card's expiration year is in the past."
        elif cards.is_past(self.month, self.year, now):
            self.errors["expiry"] = "Your card's expiration date is in the past."

    def _check_cvc(self) -> None:
        if not re.fullmatch(r"[0-9]{0,4}", self.cvc):
            self.errors["cvc"] = "Your card's security code is invalid."
        elif len(self.cvc) < 3:
            self.errors["cvc"] = "Your card's security code is incomplete."
