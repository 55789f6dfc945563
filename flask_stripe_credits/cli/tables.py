"""What commands show people: columns that line up, and nothing that could steer a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[int] = ()
) -> str:
    """Return the lines of a table.

    :param numbers: the columns that are aligned at the right, from 0.
    """
    lines = [heading, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def printable(text: str) -> str:
    """Return ``text`` on one line, with what can't be printed as Python writes it."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
