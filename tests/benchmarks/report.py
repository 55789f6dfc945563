"""The page of figures: each part stands between marks of its own, and is written alone."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/explanation/performance.md"
_PACKAGES = "flask sqlalchemy flask-sqlalchemy marshmallow psycopg stripe gunicorn".split()


def machine(databases: Iterable[str]) -> str:
    """What the figures were taken on, in one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"{', '.join(databases)}, {packages}."
    )


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def write(name: str, figures: str, page: Path = PAGE) -> None:
    """Put the figures of one part in their place on the page; all else stays.

    :raises ValueError: the page has no such place.
    """
    before, _, after = _cut(name, page.read_text())
    page.write_text(f"{before}\n\n{figures}\n\n{after}")


def part(name: str, page: str) -> str:
    """The figures of one part, of a page's text.

    :raises ValueError: the page has no such place.
    """
    return _cut(name, page)[1].strip()


def _cut(name: str, page: str) -> tuple[str, str, str]:
    """What stands before a part's figures, with its mark; the figures; and what stands behind."""
    begin, end = f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"
    before, begins, rest = page.partition(begin)
    figures, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"the page has no {begin} … {end}")
    return before + begin, figures, end + after
