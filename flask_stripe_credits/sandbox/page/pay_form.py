"""What the buyer typed into the payment page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ..params import is_email
from ..store import Json
from . import bank_fields, card_fields

_LONGEST_TEXT = 200
_REQUIRED = "This field is required."


@dataclass(slots=True)
class PayForm:
    """A filled-in payment page.

    :ivar chosen: the kind of payment method; empty where there is nothing to pay.
    :ivar holder: whose bank account it is.
    :ivar errors: what is wrong, by the name of the field.
    """

    email: str = ""
    chosen: str = ""
    number: str = ""
    expiry: str = ""
    cvc: str = ""
    name: str = ""
    zip: str = ""
    holder: str = ""
    routing: str = ""
    account: str = ""
    iban: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls, given: Mapping[str, str], *, email: str | None, types: list[str], now: float
    ) -> PayForm:
        """Take the fields of a submitted form and check those of the chosen payment method.

        :param email: the one that the merchant fixed, if so.
        :param types: kinds of payment methods to choose from, the usual one first; none where
            there is nothing to pay.
        """
        form = cls()
        for name in {one.name for one in fields(cls)} - {"errors"}:
            setattr(form, name, given.get(name, "").strip()[:_LONGEST_TEXT])
        form.email = email or form.email
        if form.chosen not in types:
            form.chosen = types[0] if types else ""
        for name, problem in form._problems(now).items():
            if problem is not None:
                form.errors[name] = problem
        return form

    @property
    def shown_number(self) -> str:
        """The card number to fill in again; empty for one that could be somebody's real card."""
        return "" if card_fields.could_be_real(self.number) else self.number

    @property
    def shown_account(self) -> str:
        """The account number to fill in again; empty for one that could be somebody's."""
        return self.account if bank_fields.is_test_account(self.account, "us_bank_account") else ""

    @property
    def shown_iban(self) -> str:
        """The IBAN to fill in again; empty for one that could be somebody's."""
        return self.iban if bank_fields.is_test_account(self.iban, "sepa_debit") else ""

    def method_params(self) -> Json:
        """Return the parameters of ``POST /v1/payment_methods`` for a form without errors."""
        make = {
            "card": self._card,
            "us_bank_account": self._us_bank_account,
            "sepa_debit": self._sepa_debit,
        }
        return {"type": self.chosen, **make[self.chosen]()}

    def _card(self) -> Json:
        month, year = card_fields.month_and_year(self.expiry) or (0, 0)
        number = card_fields.digits_of(self.number)
        address = {"country": "US", "postal_code": self.zip}
        return {
            "card": {"number": number, "exp_month": month, "exp_year": year, "cvc": self.cvc},
            "billing_details": {"email": self.email, "name": self.name, "address": address},
        }

    def _us_bank_account(self) -> Json:
        account = {
            "account_number": bank_fields.plain(self.account),
            "routing_number": bank_fields.plain(self.routing),
        }
        return {"us_bank_account": account, "billing_details": self._holder()}

    def _sepa_debit(self) -> Json:
        return {"sepa_debit": {"iban": self.iban}, "billing_details": self._holder()}

    def _holder(self) -> Json:
        return {"email": self.email, "name": self.holder}

    def _problems(self, now: float) -> dict[str, str | None]:
        problems = {"email": self._email_problem()}
        if self.chosen == "card":
            problems |= {
                "number": card_fields.number_problem(self.number),
                "expiry": card_fields.expiry_problem(self.expiry, now),
                "cvc": card_fields.cvc_problem(self.cvc),
                "name": None if self.name else _REQUIRED,
                "zip": None if self.zip else _REQUIRED,
            }
        elif self.chosen:
            problems["holder"] = None if self.holder else _REQUIRED
        if self.chosen == "us_bank_account":
            problems["routing"] = bank_fields.routing_problem(self.routing)
            problems["account"] = bank_fields.account_problem(self.account)
        elif self.chosen == "sepa_debit":
            problems["iban"] = bank_fields.iban_problem(self.iban)
        return problems

    def _email_problem(self) -> str | None:
        if not self.email:
            return "Enter your email."
        return None if is_email(self.email) else "Your email is invalid."
