"""Prometheus' own tool, which knows what a rule means; Debian's package ``prometheus`` has it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool on this machine: apt-get install prometheus"
)


def check_rules(file: Path) -> None:
    _run("check", "rules", str(file))


def test_rules(
    folder: Path, rules: Path, groups: list[dict[str, Any]], interval: str = "1m"
) -> None:
    """Evaluate ``rules`` over the series of each group, and compare."""
    file = folder / "rules_test.yml"
    # JSON is YAML.
    document = {"rule_files": [str(rules)], "evaluation_interval": interval, "tests": groups}
    file.write_text(json.dumps(document), encoding="utf-8")
    _run("test", "rules", str(file))


test_rules.__test__ = False  # type: ignore[attr-defined]


def _run(*arguments: str) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
