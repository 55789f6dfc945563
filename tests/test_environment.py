"""The watch over the environment, in a suite of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEST = """
import os

pytest_plugins = ["tests.environment"]


def test_sets():
    os.environ["SHOP_LEFT"] = "1"


def test_finds_nothing(monkeypatch):
    assert "SHOP_LEFT" not in os.environ
    monkeypatch.setenv("SHOP_LENT", "1")
"""


def test_a_test_that_leaves_a_variable_behind_fails(tmp_path: Path) -> None:
    (tmp_path / "test_sets.py").write_text(TEST)
    command = "-m pytest -q -p no:cacheprovider -p no:xdist --rootdir".split()
    run = subprocess.run(
        [sys.executable, *command, str(tmp_path), str(tmp_path)], capture_output=True, text=True
    )
    assert "2 passed, 1 error" in run.stdout, run.stdout + run.stderr
    assert "left so (use monkeypatch): ['SHOP_LEFT']" in run.stdout
