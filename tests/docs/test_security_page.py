"""Every claim of the page about security names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from .pages import ROOT, read, sections, tables

PAGE = "explanation/security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
# What they say is about the reader, or has its test in a sentence beside it.
WITHOUT_TESTS = ("Who is trusted with what", "The pages", "Personal data")


def collected_from(path: Path) -> set[str]:
    """The tests that pytest collects from a file, whatever class they are in."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        if isinstance(node, ast.ClassDef) and not node.name.startswith("Test"):
            continue
        found |= {
            member.name
            for member in members
            if isinstance(member, ast.FunctionDef) and member.name.startswith("test_")
        }
    return found


def test_every_test_that_is_named_is_there() -> None:
    for path, name in NAMED.findall(read(PAGE)):
        assert Path(path).name.startswith("test_"), path
        assert name in collected_from(ROOT / path), f"{path}::{name}"


def test_every_claim_names_a_test() -> None:
    claims = 0
    for heading, text in sections(PAGE).items():
        if heading in WITHOUT_TESTS:
            continue
        for header, *rows in tables(text):
            assert header[-1] == "shown by", heading
            for row in rows:
                claims += 1
                assert NAMED.search(row[-1]), f"{heading}: {row[0]}"
    assert claims > 40


def test_what_looks_like_a_test_is_read_as_one() -> None:
    assert len(re.findall(r"::test_", read(PAGE))) == len(NAMED.findall(read(PAGE)))
