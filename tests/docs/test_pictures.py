"""The pictures in the documentation: each is shown, said in words, and small."""

from __future__ import annotations

import re

from .pages import DOCS

_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+\.png)\)")
_MOST_BYTES = 1_200_000


def test_every_picture_is_shown_and_said_in_words() -> None:
    shown = set()
    for page in DOCS.rglob("*.md"):
        for words, path in _PICTURE.findall(page.read_text(encoding="utf-8")):
            assert len(words.split()) > 8, path
            shown.add((page.parent / path).resolve())
    pictures = {path for path in DOCS.rglob("*.png") if "_build" not in path.parts}
    assert pictures == shown
    assert 3 <= len(pictures) <= 16


def test_the_pictures_are_small() -> None:
    pictures = [path for path in DOCS.rglob("*.png") if "_build" not in path.parts]
    assert sum(path.stat().st_size for path in pictures) < _MOST_BYTES
