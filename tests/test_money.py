from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_stripe_credits.integers import LARGEST_INTEGER
from flask_stripe_credits.money import (
    THREE_DECIMAL,
    WHOLE_UNITS_IN_TWO_DECIMALS,
    ZERO_DECIMAL,
    Money,
    exponent,
    is_currency,
    smallest_step,
)

from .profiles import short

TWO_DECIMAL = frozenset(
    """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad
    cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl
    htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur
    mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd
    scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd yer
    zar zmw
    """.split()
)
CURRENCIES = sorted(TWO_DECIMAL | ZERO_DECIMAL | THREE_DECIMAL | WHOLE_UNITS_IN_TWO_DECIMALS)

amounts = st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)


@pytest.mark.parametrize(
    ("amount", "currency", "major", "text"),
    [
        (1000, "usd", "10.00", "$10.00"),
        (1, "usd", "0.01", "$0.01"),
        (0, "usd", "0.00", "$0.00"),
        (-4500, "usd", "-45.00", "-$45.00"),
        (123_456_789, "usd", "1234567.89", "$1,234,567.89"),
        (1250, "chf", "12.50", "CHF 12.50"),
        (999, "eur", "9.99", "€9.99"),
        (500, "jpy", "500", "¥500"),
        (1_000_000, "krw", "1000000", "₩1,000,000"),
        (5000, "mga", "5000", "MGA 5,000"),
        (10_000, "kwd", "10.000", "KWD 10.000"),
        (1_230, "tnd", "1.230", "TND 1.230"),
        (500, "isk", "5.00", "ISK 5"),
        (550, "isk", "5.50", "ISK 5.50"),
        (370_000, "ugx", "3700.00", "UGX 3,700"),
        (10_050, "huf", "100.50", "HUF 100.50"),
        (10_050, "twd", "100.50", "TWD 100.50"),
    ],
)
def test_B16_golden_table(amount: int, currency: str, major: str, text: str) -> None:
    money = Money(amount, currency)
    assert str(money.major) == major
    assert str(money) == text
    assert Money.from_major(Decimal(major), currency) == money


@pytest.mark.parametrize("currency", CURRENCIES)
@short(25)
@given(amount=amounts)
def test_B16_every_currency_makes_the_round_trip(currency: str, amount: int) -> None:
    money = Money(amount, currency)
    assert Money.from_major(money.major, currency) == money
    assert money.major * 10 ** exponent(currency) == amount


@pytest.mark.parametrize(
    ("currency", "step"),
    [("usd", 1), ("jpy", 1), ("huf", 1), ("isk", 100), ("ugx", 100)]
    + [(currency, 10) for currency in sorted(THREE_DECIMAL)],
)
def test_B16_an_amount_that_stripe_cannot_charge_does_not_fit(currency: str, step: int) -> None:
    assert smallest_step(currency) == step
    assert Money(7 * step, currency).fits
    assert Money(7 * step + 1, currency).fits is (step == 1)


def test_B16_the_special_currencies_are_stripes() -> None:
    assert {code for code in CURRENCIES if exponent(code) == 0} == set(
        "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()
    )
    assert {code for code in CURRENCIES if exponent(code) == 3} == set(
        "bhd jod kwd omr tnd".split()
    )
    assert all(exponent(code) == 2 for code in TWO_DECIMAL | WHOLE_UNITS_IN_TWO_DECIMALS)


@pytest.mark.parametrize("amount", [10.0, 10.5, "10", Decimal(10), None, True, False])
def test_only_whole_numbers_are_amounts(amount: object) -> None:
    with pytest.raises(ValueError, match="whole number of minor units"):
        Money(amount, "usd")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "code", ["USD", "us", "usdd", "", "us1", "usd\n", "\ufb00d", "u\u017fd", None, 7, b"usd"]
)
def test_only_three_lower_case_letters_are_a_currency(code: object) -> None:
    assert not is_currency(code)
    with pytest.raises(ValueError, match="three lower-case letters"):
        Money(1, code)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("10.005", "usd"),
        ("0.5", "jpy"),
        ("1.2345", "kwd"),
        ("0." + "1" * 40, "usd"),
        ("1." + "0" * 60 + "1", "usd"),
        ("NaN", "usd"),
        ("sNaN", "usd"),
        ("Infinity", "usd"),
        ("-Infinity", "jpy"),
    ],
)
def test_a_major_amount_that_is_not_exact_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError):
        Money.from_major(Decimal(amount), currency)


@given(
    amount=st.decimals(allow_nan=True, allow_infinity=True), currency=st.sampled_from(CURRENCIES)
)
def test_a_major_amount_is_taken_exactly_or_refused(amount: Decimal, currency: str) -> None:
    try:
        money = Money.from_major(amount, currency)
    except ValueError:
        return
    assert money.major == amount


def test_money_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Money(1, "usd").amount = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    "text, currency, amount",
    [
        ("12.50", "usd", 1250),
        ("12.5", "usd", 1250),
        ("12", "usd", 1200),
        ("500", "jpy", 500),
        ("1.250", "bhd", 1250),
        ("5", "isk", 500),
        ("007", "usd", 700),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, currency: str, amount: int) -> None:
    assert Money.parse(text, currency) == Money(amount, currency)


@pytest.mark.parametrize(
    "text, currency, problem",
    [
        ("12.505", "usd", "more decimal digits than usd allows"),
        ("1.5", "jpy", "more decimal digits than jpy allows"),
        ("1.255", "bhd", "a multiple of BHD 0.010"),
        ("5.50", "isk", "a multiple of ISK 1"),
        ("9" * 16, "usd", "at most"),
        *(
            (text, "usd", "is no amount")
            for text in ("12,50", "-1", "+1", "1e3", " 1", "1\n", "\u0663")
        ),
    ],
)
def test_amounts_that_cant_be_are_refused(text: str, currency: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Money.parse(text, currency)
