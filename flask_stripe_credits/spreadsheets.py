"""CSV that spreadsheets open without running anything that a buyer wrote."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

# What makes a spreadsheet take a cell for a formula, also in the wide letters of East Asia.
# https://owasp.org/www-community/attacks/CSV_Injection
_STARTS_A_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# Where commas are decimal a spreadsheet parts cells at semicolons, and lines inside our quotes.
_BEGINS_A_CELL = re.compile("([;\t\r\n][ \"']*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield a table as CSV (RFC 4180), a line at a time, ending in CR LF; the header first.

    Text that a spreadsheet would take for a formula gets an apostrophe in front. Numbers stay
    numbers, also negative ones; None is an empty cell, a boolean is ``true`` or ``false``, a time
    is written in UTC to the second. Only the row at hand is held in memory.

    :param rows: read as the lines are asked for.
    :raises ValueError: a time has no time zone, or a row hasn't as many cells as the header.
    """
    writer: Any = csv.writer(_Echo(), lineterminator="\r\n")
    yield writer.writerow([_cell(name) for name in header])
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells under a header of {len(header)}")
        yield writer.writerow([_cell(value) for value in row])


def _cell(value: object) -> object:
    # Most cells are text, and a file may have tens of millions.
    if type(value) is str:
        return _harmless(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return value
    return _utc(value) if isinstance(value, dt.datetime) else _harmless(str(value))


def _harmless(text: str) -> str:
    if ";" in text or not text.isprintable():
        text = _BEGINS_A_CELL.sub(r"\1'", text)
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text


def _utc(value: dt.datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    naive = value.astimezone(dt.UTC).replace(tzinfo=None)
    return f"{naive.isoformat(timespec='seconds')}Z"
