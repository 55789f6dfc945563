"""What an operator opens in a spreadsheet runs nothing that a buyer wrote."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import re
import tracemalloc
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_stripe_credits.spreadsheets import csv_lines

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t1",
    "\r1",
    "\n1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    '=HYPERLINK("https://evil.test","click")',
]


def cell(value: object) -> str:
    """What a reader of CSV finds in the cell."""
    lines = list(csv_lines(["x", "y"], [[value, "end"]]))
    ((found, end),) = list(csv.reader(lines[1:], strict=True))
    assert end == "end"
    return found


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"
    # A quote around it alone would be taken off before the cell is read.
    (header, _) = csv_lines([text], [["x"]])
    assert next(csv.reader([header])) == [f"'{text}"]


@pytest.mark.parametrize("start", "=+-@\uff1d\uff0b\uff0d\uff20")
@pytest.mark.parametrize("end", [";", "; ", ';"', "\t", "\r", "\n", "\r\n"])
def test_no_formula_begins_where_semicolons_part_the_cells(start: str, end: str) -> None:
    """Spreadsheets do so where commas are decimal, and then quotes inside a cell quote nothing."""
    (_, line) = csv_lines(["x", "y"], [["id", f"bob{end}{start}1+1"]])
    cells = [part for row in re.split(r"[\r\n]+", line) for part in re.split(r"[;\t]", row)]
    for found in cells:
        assert not found.strip(' "').startswith(start), line
    assert any(found.strip(' "').startswith(f"'{start}") for found in cells)


@pytest.mark.parametrize("text", ["a;b", "a; b-c", "x\ny", "a=b;c", "a - b = c"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


def test_what_a_thing_calls_itself_is_text_too() -> None:
    class Named:
        def __str__(self) -> str:
            return "=1+1"

    assert cell(Named()) == "'=1+1"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (-5, "-5"),
        (2**53, "9007199254740992"),
        (Decimal("-10.50"), "-10.50"),
        (-0.5, "-0.5"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        ("", ""),
        ("a - b = c", "a - b = c"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (dt.datetime(2026, 3, 1, 12, 30, 5, 999, tzinfo=dt.UTC), "2026-03-01T12:30:05Z"),
        (
            dt.datetime(2026, 3, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "2026-02-28T23:00:00Z",
        ),
    ],
)
def test_numbers_stay_numbers_and_times_are_utc(value: object, written: str) -> None:
    assert cell(value) == written


def test_lines_are_those_of_rfc_4180() -> None:
    rows = [["a,b", 'say "hi"', "two\nlines"], ["plain", "", "é"]]
    assert "".join(csv_lines(["one", "two", "three"], rows)) == (
        "one,two,three\r\n" + '"a,b","say ""hi""","two\nlines"\r\n' + "plain,,é\r\n"
    )


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=5))
def test_every_text_comes_back_but_for_the_apostrophe(rows: list[list[str]]) -> None:
    text = io.StringIO("".join(csv_lines(["x", "y"], rows)), newline="")
    found = list(csv.reader(text, strict=True))[1:]
    assert len(found) == len(rows)
    for written, read in zip(itertools.chain(*rows), itertools.chain(*found), strict=True):
        assert read.replace("'", "") == written.replace("'", "")
        assert not read.startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        cell(dt.datetime(2026, 3, 1))  # noqa: DTZ001


def test_a_row_that_does_not_fit_its_header_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells under a header of 2"):
        list(csv_lines(["x", "y"], [["a"]]))


def test_rows_are_read_as_lines_are_asked_for_and_not_kept() -> None:
    asked = 0

    def rows() -> Iterator[list[Any]]:
        nonlocal asked
        for number in range(20_000):
            asked += 1
            yield [number, "x" * 1_000]

    lines = csv_lines(["number", "text"], rows())
    assert next(lines) == "number,text\r\n"
    assert asked == 0
    next(lines)
    assert asked == 1
    tracemalloc.start()
    assert sum(1 for _ in lines) == 19_999
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000
