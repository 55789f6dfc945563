"""Amounts of money as Stripe counts them: whole minor units of a currency.

The only table of currency exponents in the project.
Source: https://docs.stripe.com/currencies (zero-decimal, three-decimal and special cases),
read 2026-11-23.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact

from .integers import LARGEST_INTEGER

ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(),
)
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
# Sent to Stripe with two decimals that must be zero, although the currency has none.
WHOLE_UNITS_IN_TWO_DECIMALS = frozenset("isk ugx".split())

_CURRENCY = re.compile(r"[a-z]{3}\Z")
_WRITTEN = re.compile(r"[0-9]{1,16}(\.[0-9]{1,4})?\Z")
_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹", "krw": "₩"}


def is_currency(code: object) -> bool:
    """Whether ``code`` is written as Stripe writes currencies: three lower-case letters."""
    return isinstance(code, str) and _CURRENCY.match(code) is not None


def exponent(currency: str) -> int:
    """Return how many decimal digits one major unit of ``currency`` has on Stripe: 0, 2 or 3."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def smallest_step(currency: str) -> int:
    """Return what every amount in ``currency`` must be a multiple of, in minor units."""
    if currency in WHOLE_UNITS_IN_TWO_DECIMALS:
        return 100
    return 10 if currency in THREE_DECIMAL else 1


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in whole minor units of ``currency`` (``Money(1000, "usd")`` is ten dollars).

    :param amount: minor units; negative for money that goes back.
    :param currency: Stripe's spelling: three lower-case letters.
    :raises ValueError: when ``amount`` isn't a whole number, is beyond 2^53 or ``currency`` isn't
        so written.
    """

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise ValueError(f"amount must be a whole number of minor units, not {self.amount!r}")
        if abs(self.amount) > LARGEST_INTEGER:
            raise ValueError(f"amount must be at most {LARGEST_INTEGER:,} minor units")
        if not is_currency(self.currency):
            raise ValueError(f"currency must be three lower-case letters, not {self.currency!r}")

    @property
    def fits(self) -> bool:
        """Whether Stripe can charge exactly this amount in this currency."""
        return self.amount % smallest_step(self.currency) == 0

    @property
    def major(self) -> Decimal:
        """The exact amount in major units: ``Money(1050, "usd").major == Decimal("10.50")``."""
        return Decimal(self.amount).scaleb(-exponent(self.currency))

    @classmethod
    def from_major(cls, amount: Decimal, currency: str) -> Money:
        """Return ``amount`` major units of ``currency``.

        :raises ValueError: when ``amount`` has more decimal digits than the currency, or isn't
            a finite number.
        """
        exact = Context(prec=50, traps=[Inexact])
        try:
            minor = exact.to_integral_exact(exact.scaleb(amount, exponent(currency)))
            return cls(int(minor), currency)
        except Inexact:
            raise ValueError(f"{amount} has more decimal digits than {currency} allows") from None
        except OverflowError:
            raise ValueError(f"{amount} is no amount of money") from None

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Return the amount that a person wrote in major units: ``12.50``, ``500``.

        :raises ValueError: when it isn't written so, has more decimal digits than the currency,
            or is no amount that Stripe can charge in it.
        """
        if not _WRITTEN.match(text):
            raise ValueError(f"{text!r} is no amount: write it as 12.50, without a currency")
        money = cls.from_major(Decimal(text), currency)
        if not money.fits:
            step = cls(smallest_step(currency), currency)
            raise ValueError(
                f"{money} can't be paid in {currency}: it has to be a multiple of {step}"
            )
        return money

    def __str__(self) -> str:
        """The amount for people: ``$10.00``, ``¥500``, ``CHF 12.50``."""
        whole = self.currency in WHOLE_UNITS_IN_TWO_DECIMALS and self.fits
        digits = 0 if whole else exponent(self.currency)
        sign = "-" if self.amount < 0 else ""
        symbol = _SYMBOLS.get(self.currency, self.currency.upper() + " ")
        return f"{sign}{symbol}{abs(self.major):,.{digits}f}"
