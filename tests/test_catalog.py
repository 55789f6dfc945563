from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_stripe_credits.catalog.file import (
    PackageSpec,
    default_catalog,
    format_packages,
    parse_packages,
)
from flask_stripe_credits.catalog.rules import LONGEST_DESCRIPTION, LONGEST_NAME
from flask_stripe_credits.errors import InvalidCatalog
from flask_stripe_credits.integers import LARGEST_INTEGER
from flask_stripe_credits.money import Money, smallest_step

GOOD: dict[str, str] = {
    "package_code": '"gold"',
    "package_name": '"Gold Pack"',
    "credits": "1000",
    "unit_amount": "1000",
    "currency": '"usd"',
}


def toml(*tables: dict[str, str]) -> bytes:
    return "".join(
        "[[packages]]\n" + "".join(f"{name} = {value}\n" for name, value in table.items())
        for table in tables
    ).encode()


def problems(content: bytes) -> tuple[str, ...]:
    with pytest.raises(InvalidCatalog) as caught:
        parse_packages(content)
    assert all(line.isprintable() for line in caught.value.problems)
    return caught.value.problems


def test_B19_S9_the_default_catalogue_is_the_guides_with_final_prices() -> None:
    assert [
        (p.package_code, p.package_name, p.credits, p.unit_amount, p.discount_percentage)
        for p in parse_packages(default_catalog())
    ] == [
        ("starter", "Starter Pack", 1_000, 1_000, 0),
        ("standard", "Standard Pack", 5_000, 4_500, 10),
        ("pro", "Pro Pack", 10_000, 8_000, 20),
        ("enterprise", "Enterprise Pack", 50_000, 35_000, 30),
    ]
    for spec in parse_packages(default_catalog()):
        undiscounted = Money(spec.credits, "usd")
        saved = undiscounted.amount * spec.discount_percentage // 100
        assert spec.unit_amount == undiscounted.amount - saved
        assert spec.description
        assert spec.is_active is None


def test_what_is_optional_may_be_left_out() -> None:
    (spec,) = parse_packages(toml(GOOD))
    assert spec == PackageSpec("gold", "Gold Pack", 1000, 1000, "usd", None, 0, None)


@pytest.mark.parametrize(
    ("field", "value", "right", "shown"),
    [
        ("package_code", '""', "1 to 50 of a-z, 0-9, - and _", "''"),
        ("package_code", '"Gold"', "1 to 50 of a-z, 0-9, - and _", "'Gold'"),
        ("package_code", '"go ld"', "1 to 50 of a-z, 0-9, - and _", "'go ld'"),
        ("package_code", '"gold\\n"', "1 to 50 of a-z, 0-9, - and _", r"'gold\n'"),
        ("package_code", '"gol\\u0000"', "1 to 50 of a-z, 0-9, - and _", r"'gol\x00'"),
        ("package_code", '"göld"', "1 to 50 of a-z, 0-9, - and _", r"'g\xf6ld'"),
        ("package_code", f'"{"a" * 51}"', "1 to 50 of a-z, 0-9, - and _", f"'{'a' * 51}'"),
        ("package_code", "7", "1 to 50 of a-z, 0-9, - and _", "7"),
        ("package_name", '""', "text of 1 to 250", "''"),
        ("package_name", '"  "', "text of 1 to 250", "'  '"),
        ("package_name", '"a\\u0000b"', "text of 1 to 250", r"'a\x00b'"),
        ("package_name", '"a\\nb"', "text of 1 to 250", r"'a\nb'"),
        ("package_name", '"a\\u001b[31m"', "text of 1 to 250", r"'a\x1b[31m'"),
        ("package_name", f'"{"a" * 251}"', "text of 1 to 250", "251 characters"),
        ("package_name", "1.5", "text of 1 to 250", "1.5"),
        ("description", '"a\\u0000"', "text of at most 5,000", r"'a\x00'"),
        ("description", f'"{"a" * 5001}"', "text of at most 5,000", "5,001 characters"),
        ("description", "true", "text of at most 5,000", "true"),
        ("credits", "0", "a whole number from 1 to 9,007,199,254,740,992", "0"),
        ("credits", "-5", "a whole number from 1 to", "-5"),
        ("credits", "1000.0", "a whole number from 1 to", "1000.0"),
        ("credits", '"1000"', "a whole number from 1 to", "'1000'"),
        ("credits", "true", "a whole number from 1 to", "true"),
        ("credits", str(2**53 + 1), "a whole number from 1 to", "a larger one"),
        ("unit_amount", "10.0", "a whole number of minor units", "10.0"),
        ("unit_amount", "nan", "a whole number of minor units", "nan"),
        ("unit_amount", '"10.00"', "a whole number of minor units", "'10.00'"),
        ("unit_amount", "-1", "a whole number of minor units", "-1"),
        ("unit_amount", "-" + "9" * 30, "a whole number of minor units", "a negative one"),
        ("unit_amount", "2026-11-23", "a whole number of minor units", "date"),
        ("unit_amount", "[1000]", "a whole number of minor units", "list"),
        ("currency", '"USD"', "three lower-case letters, like usd", "'USD'"),
        ("currency", '"dollar"', "three lower-case letters, like usd", "'dollar'"),
        ("currency", '""', "three lower-case letters, like usd", "''"),
        ("currency", "840", "three lower-case letters, like usd", "840"),
        ("discount_percentage", "101", "a whole number from 0 to 100", "101"),
        ("discount_percentage", "-1", "a whole number from 0 to 100", "-1"),
        ("discount_percentage", "12.5", "a whole number from 0 to 100", "12.5"),
        ("is_active", "1", "true or false", "1"),
        ("is_active", '"no"', "true or false", "'no'"),
    ],
)
def test_a_bad_value_gets_one_line_that_says_what_is_right(
    field: str, value: str, right: str, shown: str
) -> None:
    (line,) = problems(toml(GOOD, GOOD | {"package_code": '"other"', field: value}))
    name = "package 2" if field == "package_code" else "package 2 (other)"
    assert line.startswith(f"{name}: {field} must be {right}")
    assert line.endswith(f", not {shown}")


def test_B17_a_float_for_money_is_told_what_minor_units_are() -> None:
    (line,) = problems(toml(GOOD | {"unit_amount": "10.00"}))
    assert line == (
        "package 1 (gold): unit_amount must be a whole number of minor units "
        "from 0 to 9,007,199,254,740,992 (1000 is $10.00), not 10.0"
    )


@pytest.mark.parametrize(
    ("currency", "amount", "step"), [("isk", 1050, 100), ("ugx", 99, 100), ("kwd", 1005, 10)]
)
def test_B16_an_amount_that_stripe_could_not_charge_is_refused(
    currency: str, amount: int, step: int
) -> None:
    table = GOOD | {"currency": f'"{currency}"', "unit_amount": str(amount)}
    assert problems(toml(table)) == (
        f"package 1 (gold): unit_amount must be a multiple of {step} in {currency}, not {amount}",
    )


@pytest.mark.parametrize("field", GOOD)
def test_a_missing_field_is_named_with_what_it_must_be(field: str) -> None:
    (line,) = problems(toml({name: value for name, value in GOOD.items() if name != field}))
    assert f": {field} is missing; it must be " in line


def test_an_unknown_field_is_named_with_those_that_are_known() -> None:
    (line,) = problems(toml(GOOD | {"price_usd": "10.00"}))
    assert line.startswith("package 1 (gold): 'price_usd' is no field of a package; these are: ")
    assert all(field in line for field in GOOD)


def test_a_code_may_appear_only_once() -> None:
    other = GOOD | {"package_code": '"other"'}
    assert problems(toml(GOOD, other, GOOD)) == (
        "package 3 (gold): package_code is already that of package 1",
    )


def test_all_mistakes_are_told_at_once() -> None:
    lines = problems(toml(GOOD | {"credits": "0", "currency": '"x"'}, GOOD | {"credits": "1.5"}))
    assert [line.split(" must")[0] for line in lines] == [
        "package 1 (gold): credits",
        "package 1 (gold): currency",
        "package 2 (gold): credits",
        "package 2 (gold): package_code is already that of package 1",
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "the file holds no [[packages]]"),
        (b"packages = []", "the file holds no [[packages]]"),
        (b"packages = 7", "the file holds no [[packages]]"),
        (b"[packages]\ncredits = 1", "the file holds no [[packages]]"),
        (b"packages = [7]", "package 1: must be a table of its own, headed [[packages]]"),
        (b"[[package]]\ncredits = 1", "it also holds 'package'"),
        (b"\xff\xfe", "the file isn't UTF-8 text"),
        (b"[[packages]\n", "the file isn't valid TOML: "),
        (b"{}", "the file isn't valid TOML: "),
        (b'[[packages]]\npackage_name = "\\ud800"', "the file isn't valid TOML: "),
        (b"packages = " + b"[" * 100_000, "the file isn't valid TOML: "),
        (b"packages = 1" + b"0" * 10_000, "the file isn't valid TOML: "),
    ],
)
def test_what_is_no_catalogue_is_refused_in_one_line(content: bytes, line: str) -> None:
    (told,) = problems(content)
    assert line in told


def test_a_byte_order_mark_and_windows_lines_do_no_harm() -> None:
    content = "\ufeff" + toml(GOOD).decode().replace("\n", "\r\n")
    assert parse_packages(content.encode()) == parse_packages(toml(GOOD))


def texts(longest: int, also: str = "") -> st.SearchStrategy[str]:
    printable = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
    return st.text(printable | st.sampled_from(also) if also else printable, max_size=longest)


@st.composite
def specs(draw: st.DrawFn) -> PackageSpec:
    currency = draw(st.from_regex(r"[a-z]{3}", fullmatch=True) | st.sampled_from(["isk", "kwd"]))
    step = smallest_step(currency)
    return PackageSpec(
        package_code=draw(st.from_regex(r"[a-z0-9_-]{1,50}", fullmatch=True)),
        package_name=draw(texts(LONGEST_NAME).filter(str.strip)),
        description=draw(st.none() | texts(60, "\n\t\"'\\#").filter(bool)),
        credits=draw(st.integers(1, LARGEST_INTEGER)),
        unit_amount=draw(st.integers(0, LARGEST_INTEGER // step)) * step,
        currency=currency,
        discount_percentage=draw(st.integers(0, 100)),
        is_active=draw(st.none() | st.booleans()),
    )


@given(catalogue=st.lists(specs(), min_size=1, max_size=5, unique_by=lambda s: s.package_code))
def test_what_is_written_reads_back_to_the_same(catalogue: list[PackageSpec]) -> None:
    assert parse_packages(format_packages(catalogue).encode()) == catalogue


@given(text=st.text(st.characters(codec="utf-8")))
def test_the_writer_makes_valid_toml_of_any_text(text: str) -> None:
    written = format_packages([PackageSpec("gold", text, 1, 1, "usd")])
    assert tomllib.loads(written)["packages"][0]["package_name"] == text


@given(field=st.sampled_from(sorted(GOOD)), content=st.text(max_size=60))
def test_no_file_makes_it_fail_in_another_way(field: str, content: str) -> None:
    for body in (content.encode("utf-8", "replace"), toml(GOOD | {field: content})):
        try:
            parse_packages(body)
        except InvalidCatalog as error:
            assert error.problems


def test_the_longest_texts_are_taken() -> None:
    name, description = "n" * LONGEST_NAME, "d" * LONGEST_DESCRIPTION
    (spec,) = parse_packages(
        toml(GOOD | {"package_name": f'"{name}"', "description": f'"{description}"'})
    )
    assert (spec.package_name, spec.description) == (name, description)
