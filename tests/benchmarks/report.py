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


def write(part: str, figures: str, page: Path = PAGE) -> None:
    """Put the figures of one part in their place on the page; all else stays.

    :raises ValueError: the page has no such place.
    """
    begin, end = f"<!-- {part}: written by make bench -->", f"<!-- end of {part} -->"
    text = page.read_text()
    before, begins, rest = text.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"{page} has no {begin} … {end}")
    page.write_text(f"{before}{begin}\n\n{figures}\n\n{end}{after}")
