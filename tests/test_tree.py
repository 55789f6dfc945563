"""What has to be in the source tree, and what must never be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ("flask_stripe_credits", "migrations", "example_app", "tests", "docs", ".ci")
PASSED_OVER = {"__pycache__", "_build", "node_modules"}
LOOKS_REAL = re.compile(r"(?:sk|rk|pk)_(?:test|live)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{24,}")


def _texts() -> Iterator[tuple[Path, str]]:
    at_the_top = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for name in OURS for path in (ROOT / name).rglob("*") if path.is_file()]
    for path in (*at_the_top, *below):
        if not PASSED_OVER & set(path.parts):
            yield path, path.read_text(encoding="utf-8", errors="replace")


def test_S5_nothing_in_the_tree_looks_like_a_key() -> None:
    seen = 0
    for path, text in _texts():
        seen += 1
        for found in LOOKS_REAL.findall(text):
            # Examples of what is refused repeat one character.
            assert len(set(found.rpartition("_")[2].lower())) == 1, f"{path}: {found}"
    assert seen > 100


def test_S5_the_check_can_fail() -> None:
    for made_at_run_time in ("sk_" + "live_" + "4eC39Hq" * 3, "whsec_" + "a1B2c3D4" * 4):
        assert LOOKS_REAL.search(f'KEY = "{made_at_run_time}"')


def test_G04_the_security_policy_says_how_to_report_and_what_is_supported() -> None:
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert re.search(r"^#+ .*[Rr]eport", policy, re.MULTILINE)
    assert re.search(r"supported|Supported", policy)
    for page in ("README.md", "CONTRIBUTING.md"):
        assert "(SECURITY.md)" in (ROOT / page).read_text(encoding="utf-8")
