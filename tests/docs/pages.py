"""The documentation as its tests read it: pages, sections, tables and marked code blocks.

A comment before a block says what a reader does with it: ``<!-- file: NAME -->`` saves it,
``<!-- run -->`` runs it, ``<!-- server: PORT -->`` starts it in another terminal, and
``<!-- prints -->`` is what the block before printed, with ``…`` for what differs each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts
)

_MARKED = re.compile(
    r"^<!-- (?P<what>[a-z]+)(?:: (?P<name>\S+))? -->\n+```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A code block with a mark.

    :ivar what: ``file``, ``run``, ``server`` or ``prints``.
    :ivar name: the file's name or the server's port, empty when the mark needs none.
    """

    what: str
    name: str
    language: str
    code: str


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    return [
        Block(found["what"], found["name"] or "", found["language"], found["code"])
        for found in _MARKED.finditer(read(page))
    ]


def sections(page: str) -> dict[str, str]:
    """Heading (without backticks) → text up to the next heading of any level."""
    text = _FENCED.sub(lambda block: block[0].replace("\n#", "\n "), read(page))
    parts = re.split(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {
        heading.replace("`", ""): body
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def tables(text: str) -> Iterator[list[list[str]]]:
    """The Markdown tables of ``text``, each without its ruler, heading first."""
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            yield rows
            rows = []


def codes(text: str) -> list[str]:
    """What is written ``like this`` in ``text``."""
    return _CODE.findall(_FENCED.sub("", text))
