"""The version stands in one place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import flask_stripe_credits

ROOT = Path(__file__).parents[2]
PLACES = ("flask_stripe_credits", "example_app", "docs/conf.py", "README.md", "Makefile", ".github")


def test_no_file_repeats_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    named = [ROOT / place for place in PLACES]
    files = [path for place in named for path in (place, *place.rglob("*")) if path.is_file()]
    texts = {path: path.read_bytes() for path in files if "__pycache__" not in path.parts}
    assert len(texts) > 300
    literal = re.compile(rb"(?<![\d.])" + re.escape(version).encode() + rb"(?!\.?\d)")
    assert [path for path, text in texts.items() if literal.search(text)] == []
    assert not hasattr(flask_stripe_credits, "__version__")
