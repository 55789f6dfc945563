"""The page of figures: a markdown table for each bar, with what it was measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/explanation/performance.md"
_BEGIN, _END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
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


def write(figures: str) -> None:
    """Put the figures in their place on the page; the words around them stay."""
    page = PAGE.read_text()
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n\n{figures}\n\n{_END}{after}")
